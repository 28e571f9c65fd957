import type { PodOutcome } from "../src/routing/health/pod-outcome.ts";
import type { DecisionRecord, LeaseOutcome, MoveQuestion } from "../src/routing/placement.ts";
import type { IndexState } from "../src/routing/pod.ts";
import type { QueueRefusal } from "../src/routing/queue/queued-request.ts";
import type { AdoptedLease } from "../src/routing/router-snapshot.ts";
import type { HeldStub, PlaceStub } from "./held-stub.ts";
import type { LeaseStub } from "./lease-stub.ts";

/**
 * The wire API between the Worker and a ModelRouter. During a deploy a Worker may call an object one release older or
 * newer: fields are added, never renamed or removed, and unknown ones are ignored.
 */
export type RouteCall = {
  readonly model: string;
  readonly policy: string;
  /** The policy's parameters as JSON text, where settings give some. */
  readonly policyParameters?: string | undefined;
  /** Segment hashes, 8 bytes each. */
  readonly segments: Uint32Array<ArrayBuffer>;
  readonly segmentBytes: number;
  readonly promptBytes: number;
  readonly promptTokens?: number | undefined;
  readonly choices: number;
  /** Set where the model's name is one of its LoRA adapters. */
  readonly adapter?: string | undefined;
  /** Hashes of the session, of who asks, and of how the conversation begins. */
  readonly session?: string | undefined;
  readonly user?: string | undefined;
  readonly opening?: string | undefined;
  /** Where the request entered: Cloudflare's name of the place. */
  readonly origin?: string | undefined;
  /** Within what time the client would like its first token. */
  readonly sloTtftMs?: number | undefined;
  /** The model's rules for queue, health and recorded decisions as JSON text (`GivenRules`). Without them a request is never held. */
  readonly rules?: string | undefined;
  /** For the queue: the API key's id, its priority and weight, and the time the request has until its first byte. */
  readonly key?: string | undefined;
  readonly priority?: number | undefined;
  readonly weight?: number | undefined;
  readonly deadlineMs?: number | undefined;
  readonly streamed?: boolean | undefined;
  /** Longest answer the client allows. */
  readonly mostOutputTokens?: number | undefined;
  /** Asks for the whole decision record: for keys with `debug`. */
  readonly explain: boolean;
  /** Pods that failed this request before, under a lease of an earlier instance. */
  readonly excludedPods?: readonly string[];
  /** The lease that this call replaces, with what its end says of its pod. */
  readonly insteadOf?: { readonly leaseId: string } & MoveCall;
  /** Asks for the list of pods: what the Worker last saw is too old to fall back on. */
  readonly podsWanted?: boolean | undefined;
};

/** The pod a request goes to. */
export type RoutedPod = {
  readonly id: string;
  readonly cluster: string;
  readonly epoch: string;
  readonly url: string;
  /** How far the pod's claims could be trusted when it was chosen. */
  readonly index: IndexState;
};

/** A pod as the Worker keeps it, to route by itself while the ModelRouter cannot be asked. */
export type ListedPod = RoutedPod & { readonly servedModels: readonly string[] };

export type RoutedRequest = {
  readonly ok: true;
  readonly leaseId: string;
  readonly pod: RoutedPod;
  readonly promptTokens: number;
  readonly matchedTokens: number;
  readonly record?: DecisionRecord;
  /** The pods that take requests, where the call wanted them. */
  readonly pods?: readonly ListedPod[];
};

export type RefusedRequest =
  | {
      readonly ok: false;
      readonly reason: "unknown_policy";
      readonly known: readonly string[];
      readonly problem?: string;
    }
  | { readonly ok: false; readonly reason: "no_endpoints"; readonly podsKnown: number }
  | { readonly ok: false; readonly reason: "retry_budget" }
  | { readonly ok: false; readonly reason: QueueRefusal | "waited_too_long"; readonly retryAfterMs: number };

/** The request waits for a pod: `place.placed()` tells where it goes. Dispose the reply to give it up. */
export type HeldReply = {
  readonly ok: false;
  readonly reason: "held";
  readonly waitMs: number;
  /** Pods that the router knows: 0 if it has just lost them. */
  readonly podsKnown: number;
  readonly held: HeldStub;
  readonly place: PlaceStub;
};

/** `lease` is there exactly when `ok` is true. Dispose the reply when the request is over: it closes the lease. */
export type RouteReply = (RoutedRequest & { readonly lease: LeaseStub }) | RefusedRequest;

/** Why a request leaves its pod. */
export type MoveCall = { readonly podOutcome?: PodOutcome | undefined };

/** A request that might leave its pod. */
export type MayMoveCall = MoveQuestion;

export type MoveReply = RoutedRequest | RefusedRequest;

export type FinishCall = LeaseOutcome;

export type AdoptCall = AdoptedLease;

/** `lease` is there exactly when the lease could be taken over. */
export type AdoptReply = { readonly ok: true; readonly lease: LeaseStub } | { readonly ok: false };
