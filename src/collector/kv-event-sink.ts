import type { Epoch } from "../protocol/identifiers.ts";
import type { PodReport } from "../protocol/push-message.ts";
import type { KvEventBatch } from "./kv-events/event.ts";
import type { StreamPosition } from "./kv-events/event-sequence.ts";
import type { LostTrack } from "./kv-events/follower.ts";

/** The pod an event is about, as of that event. */
export type EventPod = {
  /** Local name, `namespace/name/port`. */
  readonly name: string;
  readonly epoch: Epoch;
  /** Names the engine's process for a later start of the collector; undefined where nothing does. */
  readonly process: string | undefined;
  readonly engine: PodReport["engine"];
  readonly engineVersion: string | undefined;
  readonly baseModel: string;
  /** Every name the engine answers to. */
  readonly servedModels: readonly string[];
  /** Some of these are LoRA adapters. */
  readonly servesAdapters: boolean;
  readonly publishesEvents: boolean;
};

/** How far a pod's claims can be trusted, as its report says it. */
export type IndexState = NonNullable<PodReport["index"]>;

/** Where ordered, decoded KV events go. Turns them into claims. Calls are synchronous and must not block. */
export type KvEventSink = {
  /**
   * A pod's models are known: its events follow. Resolves, where what was learned from earlier events is at hand, to
   * the last of them. Never rejects.
   */
  begin(pod: EventPod): Promise<StreamPosition | undefined>;
  /** Each batch once, in order of publication within its pod. */
  onBatch(pod: EventPod, batch: KvEventBatch, position: StreamPosition): void;
  /** All that was published before this call has been delivered or reported lost. */
  onCaughtUp(pod: EventPod): void;
  /** What was learned from the pod's earlier events no longer holds. On a restart `pod.epoch` is the new one. */
  onLostTrack(pod: EventPod, cause: LostTrack): void;
  /** The edge lacks the pod's claims: all that hold are to be sent again. */
  onResync(name: string, epoch: Epoch): void;
  /** The edge is not sure of the pod's claims: it is to be told what they sum to. */
  onCheck(name: string, epoch: Epoch): void;
  /**
   * Claims are about to be sent: hands on those of a pod that wait, about `roomBytes` of them where it is resynced. True
   * if more are to come.
   */
  collect(name: string, roomBytes: number): boolean;
  /** The pod is followed no more. */
  onGone(name: string): void;
  /** How far the pod's claims can be trusted. */
  indexState(pod: EventPod): IndexState;
};
