import type { Logger } from "pino";
import type { SegmentHasher } from "../../prefix/segment-hash.ts";
import type { Epoch } from "../../protocol/identifiers.ts";
import type { ClaimChange, ClaimReset } from "../../protocol/push-message.ts";
import type { EventPod, IndexState, KvEventSink } from "../kv-event-sink.ts";
import type { KvEventBatch } from "../kv-events/event.ts";
import type { StreamPosition } from "../kv-events/event-sequence.ts";
import type { LostTrack } from "../kv-events/follower.ts";
import { CanonicalTokens } from "./canonical/canonical-tokens.ts";
import { DecodedCheck } from "./canonical/decoded-check.ts";
import { isAtLeast } from "./engine-version.ts";
import { indexState, NO_EVIDENCE, type TranslationRefusal } from "./index-state.ts";
import { PodTranslation } from "./pod-translation.ts";
import type { BlockLimits } from "./rank-blocks.ts";
import type { StateFolder } from "./state-folder.ts";
import { type SavedTarget, TableSaver } from "./table-saver.ts";
import type { TokenizerStore } from "./tokenizer/tokenizer-store.ts";
import type { TranslationCounts } from "./translation-counts.ts";

/** What turns a model's token ids into the edge's segments. */
export type TranslatedModel = {
  /** As in the edge's settings. */
  readonly name: string;
  /** Path of the model's tokenizer.json. */
  readonly tokenizerFile: string;
  readonly segmentBytes: number;
};

export type EventTranslatorOptions = {
  /** The models that can be translated, as configured now. */
  readonly models: () => readonly TranslatedModel[];
  /** Seeds segment hashes, the same as at the edge. Undefined: nothing is translated. */
  readonly hashSecret: string | undefined;
  readonly hasher: SegmentHasher;
  readonly tokenizers: TokenizerStore;
  /** Whether the text that the edge renders is proven to be what a pod's engine tokenizes. */
  readonly rendererProof: (pod: EventPod) => IndexState;
  readonly limits: BlockLimits;
  readonly counts: TranslationCounts;
  readonly emit: (change: ClaimChange) => void;
  /** Claims of a pod wait to be collected. */
  readonly onWaiting: (pod: string) => void;
  /** Share of one core for checking what models wrote; 0: nothing is checked. */
  readonly checkCoreShare: number;
  /** Where tables are kept over restarts of the collector, if anywhere. */
  readonly state?: { readonly folder: StateFolder; readonly saveEveryMs: number } | undefined;
  /** Wall clock. */
  readonly nowMs: () => number;
  readonly log: Logger;
};

type Followed = {
  epoch: string;
  process: string | undefined;
  readonly translation: PodTranslation | undefined;
  readonly refusal: TranslationRefusal | undefined;
};

/**
 * Turns pods' KV events into claims. Of a pod whose events cannot be translated it claims nothing, but takes back what
 * others claimed once the engine dropped its cache: what the edge learns from its own routing and from answers is
 * outdated by that just the same.
 */
export class EventTranslator implements KvEventSink {
  readonly #options: EventTranslatorOptions;
  readonly #followed = new Map<string, Followed>();

  readonly #check: DecodedCheck;
  readonly #saver: TableSaver | undefined;

  constructor(options: EventTranslatorOptions) {
    this.#options = options;
    const { counts, checkCoreShare: coreShare } = options;
    this.#check = new DecodedCheck({ counts, coreShare, nowMs: () => performance.now() });
    const { state, nowMs, log } = options;
    if (state === undefined) return;
    const { folder, saveEveryMs: everyMs } = state;
    this.#saver = new TableSaver({ folder, everyMs, nowMs, log, targets: () => this.#saveable() });
  }

  /** Saves what is to be kept, and ends. */
  async close(): Promise<void> {
    this.#check.close();
    await this.#saver?.close();
  }

  /** Tables' sizes over all pods. */
  get sizes(): {
    readonly blocks: number;
    readonly waiting: number;
    readonly segments: number;
    readonly bytes: number;
  } {
    const sum = { blocks: 0, waiting: 0, segments: 0, bytes: 0 };
    for (const { translation } of this.#followed.values()) {
      if (translation === undefined) continue;
      const { blocks, waiting, segments, bytes } = translation.sizes;
      sum.blocks += blocks;
      sum.waiting += waiting;
      sum.segments += segments;
      sum.bytes += bytes;
    }
    return sum;
  }

  async begin(pod: EventPod): Promise<StreamPosition | undefined> {
    const { log } = this.#options;
    const translation = await this.#translationOf(pod);
    const { epoch, process } = pod;
    if (typeof translation === "string") {
      this.#followed.set(pod.name, { epoch, process, translation: undefined, refusal: translation });
      log.info({ pod: pod.name, reason: translation }, "KV events do not become claims");
      return undefined;
    }
    const restored = await this.#restore(pod, translation);
    this.#followed.set(pod.name, { epoch, process, translation, refusal: undefined });
    translation.resync();
    log.info({ pod: pod.name, from: restored?.sequence }, "KV events become claims");
    return restored;
  }

  onBatch(pod: EventPod, batch: KvEventBatch, position: StreamPosition): void {
    const followed = this.#current(pod);
    if (followed?.translation !== undefined) {
      followed.translation.take(batch, position);
      this.#options.onWaiting(pod.name);
    } else if (batch.events.some(({ kind }) => kind === "all_blocks_cleared"))
      this.#reset("clear", pod.name, pod.epoch);
  }

  onCaughtUp(pod: EventPod): void {
    this.#followed.get(pod.name)?.translation?.caughtUp();
  }

  onLostTrack(pod: EventPod, cause: LostTrack): void {
    const followed = this.#followed.get(pod.name);
    if (followed !== undefined) {
      followed.epoch = pod.epoch;
      followed.process = pod.process;
    }
    if (cause === "missing_history") followed?.translation?.missHistory();
    else {
      const translation = followed?.translation;
      if (translation === undefined) this.#reset(cause === "restart" ? "clear" : "doubt", pod.name, pod.epoch);
      else if (cause === "restart") translation.begin(pod.epoch);
      else translation.doubt(cause === "resume_refused" ? "unproven" : "lost");
    }
  }

  onResync(name: string, epoch: Epoch): void {
    const followed = this.#followed.get(name);
    if (followed?.translation !== undefined) followed.translation.resync();
    // What an earlier start claimed may hold still, but nobody watches it now.
    else this.#reset("doubt", name, epoch);
  }

  onCheck(name: string, epoch: Epoch): void {
    const followed = this.#followed.get(name);
    if (followed?.translation !== undefined) followed.translation.check();
    else this.#reset("doubt", name, epoch);
  }

  onGone(name: string): void {
    const target = this.#saveable().find((one) => one.name === name);
    if (target !== undefined) void this.#saver?.save(target);
    this.#followed.delete(name);
  }

  /** Hands on a pod's waiting claims, about `roomBytes` of them where it is resynced. True if more are to come. */
  collect(name: string, roomBytes: number): boolean {
    return this.#followed.get(name)?.translation?.collect(roomBytes) ?? false;
  }

  indexState(pod: EventPod): IndexState {
    const followed = this.#followed.get(pod.name);
    const { engine, engineVersion, publishesEvents, servesAdapters } = pod;
    return indexState({
      publishesEvents,
      refusal: followed === undefined ? "starting" : followed.refusal,
      evidence: followed?.translation?.evidence ?? NO_EVIDENCE,
      rendererProof: this.#options.rendererProof(pod),
      engine,
      engineVersion,
      servesAdapters,
    });
  }

  /** The pod's epoch can change without a restart, when its engine's start time becomes known. */
  #current(pod: EventPod): Followed | undefined {
    const followed = this.#followed.get(pod.name);
    if (followed !== undefined) followed.process = pod.process;
    if (followed !== undefined && followed.epoch !== pod.epoch) {
      followed.epoch = pod.epoch;
      followed.translation?.rename(pod.epoch);
    }
    return followed;
  }

  async #translationOf(pod: EventPod): Promise<PodTranslation | TranslationRefusal> {
    const { models, hashSecret, hasher, tokenizers, limits, counts, emit, checkCoreShare, log } = this.#options;
    if (hashSecret === undefined) return "no_hash_secret";
    if (pod.engine === "sglang") {
      const chained = isAtLeast(pod.engineVersion, [0, 5, 8]);
      if (chained !== true) return chained === undefined ? "sglang_version_unknown" : "sglang_unchained_hashes";
    }
    const model = models().find(({ name }) => pod.servedModels.includes(name));
    if (model === undefined) return "no_vocabulary";
    const { tokenizerFile, segmentBytes, name: baseModel } = model;
    const tokenizer = await tokenizers.load(tokenizerFile);
    if (!tokenizer.ok) {
      log.error({ pod: pod.name, file: tokenizerFile, fault: tokenizer.message }, "tokenizer cannot be used");
      return "no_vocabulary";
    }
    const { tokenBytes, encoder } = tokenizer;
    const tokens = encoder && checkCoreShare > 0 ? new CanonicalTokens(encoder, tokenBytes) : undefined;
    const { name, epoch } = pod;
    return new PodTranslation({
      pod: name,
      epoch,
      text: { tokenBytes, hasher, segmentBytes },
      secret: hashSecret,
      baseModel,
      limits,
      counts,
      check: tokens && ((forest, block) => this.#check.offer(forest, tokens, block)),
      emit,
    });
  }

  /** Takes up what was saved of the pod's tables, if they are the same process's. */
  async #restore(pod: EventPod, translation: PodTranslation): Promise<StreamPosition | undefined> {
    const { state, log } = this.#options;
    const saved = pod.process === undefined ? undefined : await state?.folder.load(pod.name);
    if (saved === undefined) return undefined;
    if (!saved.ok) {
      log.warn({ pod: pod.name, fault: saved.fault }, "saved KV-event table cannot be used");
      return undefined;
    }
    if (saved.pod.process !== pod.process || saved.pod.pod !== pod.name) return undefined;
    try {
      return translation.restore(saved.pod.tables, saved.bytes, saved.blocksAt) ? translation.position : undefined;
    } catch (error) {
      // Its check held, so another program wrote it, or this one wrongly: begin as if nothing had been saved.
      log.error({ err: error, pod: pod.name }, "saved KV-event table cannot be read");
      translation.begin(pod.epoch);
      return undefined;
    }
  }

  #saveable(): SavedTarget[] {
    return [...this.#followed].flatMap(([name, { process, translation }]) =>
      translation === undefined ? [] : [{ name, process, translation }],
    );
  }

  #reset(kind: ClaimReset["kind"], pod: string, epoch: string): void {
    this.#options.emit({ kind, pod, epoch });
  }
}
