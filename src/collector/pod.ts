import type { Logger } from "pino";
import type { Epoch } from "../protocol/identifiers.ts";
import type { PodReport } from "../protocol/push-message.ts";
import type { CollectorMetrics } from "./collector-metrics.ts";
import type { Endpoint } from "./endpoints-file.ts";
import { EngineApi, type EngineApiError } from "./engine-api.ts";
import type { Handshakes } from "./handshake/handshakes.ts";
import type { HttpRequests } from "./http-requests.ts";
import type { EventPod, IndexState, KvEventSink } from "./kv-event-sink.ts";
import { KvEventFollower, type LostTrack } from "./kv-events/follower.ts";
import type { EngineReading } from "./metrics/engine-reading.ts";
import { PodEpoch } from "./pod-epoch.ts";
import { PodHealth } from "./pod-health.ts";
import { PodScraper, type ScrapeRound } from "./pod-scraper.ts";

export type PodTiming = {
  readonly scrapeEveryMs: number;
  readonly scrapeTimeoutMs: number;
  readonly modelsEveryMs: number;
  readonly replaySilenceTimeoutMs: number;
  readonly replayTotalTimeoutMs: number;
};

export type PodOptions = {
  readonly endpoint: Endpoint;
  readonly timing: PodTiming;
  /** Random for each start of following the pod. */
  readonly bootId: string;
  readonly sink: KvEventSink;
  readonly handshakes: Handshakes;
  /** The edge should hear of it at once: state, epoch or served models are other ones. */
  readonly onChange: () => void;
  readonly http: HttpRequests;
  readonly metrics: CollectorMetrics;
  readonly log: Logger;
  readonly nowMs: () => number;
};

type AnsweredRound = Extract<ScrapeRound, { ok: true }>;

/** One endpoint: scraped on a timer, its KV events followed, its epochs told apart, its state reported. */
export class Pod {
  readonly endpoint: Endpoint;
  readonly #options: PodOptions;
  readonly #log: Logger;
  readonly #epoch: PodEpoch;
  readonly #health = new PodHealth();
  readonly #api: EngineApi;
  readonly #scraper: PodScraper;
  #follower: KvEventFollower | undefined;
  #followedModel: string | undefined;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #last: AnsweredRound | undefined;
  #announced = "";
  #sequenceRestartedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: PodOptions) {
    const { endpoint, timing, nowMs } = options;
    this.endpoint = endpoint;
    this.#options = options;
    this.#log = options.log.child({ pod: endpoint.podName });
    this.#epoch = new PodEpoch(options.bootId);
    this.#api = new EngineApi({
      url: endpoint.url,
      apiKey: endpoint.apiKey,
      timeoutMs: timing.scrapeTimeoutMs,
      http: options.http,
      signal: this.#abort.signal,
    });
    this.#scraper = new PodScraper({
      api: this.#api,
      engine: endpoint.engine,
      modelsEveryMs: timing.modelsEveryMs,
      nowMs,
    });
    void this.#scrape();
  }

  get name(): string {
    return this.endpoint.podName;
  }

  get epoch(): Epoch {
    return this.#epoch.current;
  }

  /** `unknown` until the engine first answered. */
  get state(): "ready" | "unready" | "unknown" {
    return this.#last === undefined ? "unknown" : this.#health.state;
  }

  /** Undefined until the engine first answered. */
  get baseModel(): string | undefined {
    return this.#last?.models.baseModel;
  }

  /** How far claims about the pod can be trusted. Undefined until the engine first answered. */
  get index(): IndexState | undefined {
    return this.#last && this.#options.sink.indexState(this.#identity(this.#last));
  }

  /** What the edge is told. Undefined until the engine first answered. */
  report(nowMs: number): PodReport | undefined {
    const last = this.#last;
    if (last === undefined) return undefined;
    const { reading, models } = last;
    return {
      name: this.name,
      epoch: this.epoch,
      url: this.endpoint.url,
      engine: last.engine ?? "unknown",
      engineVersion: last.engineVersion,
      state: this.#health.state,
      servedModels: [...models.names],
      maxModelLen: models.maxModelLen,
      capacityTokens: reading?.capacityTokens,
      blockTokens: reading?.blockTokens,
      sample: reading && { ...reading.sample, ageMs: Math.max(0, nowMs - last.sampledAtMs) },
      index: this.index,
      kvEvents: this.#follower?.counts,
    };
  }

  async close(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    await this.#follower?.close();
  }

  /** The pod as its events are about it now. */
  #identity({ models, engine, engineVersion }: AnsweredRound): EventPod {
    return {
      name: this.name,
      epoch: this.epoch,
      process: this.#epoch.process,
      engine: engine ?? "unknown",
      engineVersion,
      baseModel: models.baseModel,
      servedModels: models.names,
      servesAdapters: models.adapters.length > 0,
      publishesEvents: this.endpoint.kvEvents !== undefined,
    };
  }

  /** Follows the events once it is known whose they are; anew if they are another model's now. */
  async #follow(round: AnsweredRound): Promise<void> {
    const { endpoint, timing, sink, metrics } = this.#options;
    const { baseModel } = round.models;
    if (endpoint.kvEvents === undefined || baseModel === this.#followedModel) return;
    this.#followedModel = baseModel;
    await this.#follower?.close();
    this.#follower = undefined;
    const asLastSeen = () => this.#identity(this.#last ?? round);
    const { epoch } = this;
    const resumeFrom = await sink.begin(asLastSeen());
    if (this.#abort.signal.aborted || this.#followedModel !== baseModel) return;
    this.#follower = new KvEventFollower({
      endpoint: endpoint.kvEvents,
      replayEndpoint: endpoint.kvReplay,
      topic: endpoint.topic,
      replaySilenceTimeoutMs: timing.replaySilenceTimeoutMs,
      replayTotalTimeoutMs: timing.replayTotalTimeoutMs,
      // What was at hand is void if the engine restarted meanwhile.
      resumeFrom: this.epoch === epoch ? resumeFrom : undefined,
      onBatch: (batch, position) => sink.onBatch(asLastSeen(), batch, position),
      onCaughtUp: () => sink.onCaughtUp(asLastSeen()),
      onLostTrack: (cause) => this.#lostTrack(cause),
      metrics,
      log: this.#log,
    });
  }

  async #scrape(): Promise<void> {
    const { nowMs, timing } = this.#options;
    const startedMs = nowMs();
    const round = await this.#scraper.round();
    if (this.#abort.signal.aborted) return;
    if (round.ok) this.#answered(round, startedMs);
    else this.#failed(round.error);
    this.#announce();
    const waitMs = Math.max(0, timing.scrapeEveryMs - (nowMs() - startedMs));
    this.#timer = setTimeout(() => void this.#scrape(), waitMs);
  }

  #answered(round: AnsweredRound, startedMs: number): void {
    const { reading } = round;
    this.#last = round;
    this.#health.answered(reading?.awake);
    // A reading asked for before the restart may be the old process's.
    if (reading !== undefined && startedMs >= this.#sequenceRestartedAtMs) this.#observe(round, reading);
    void this.#follow(round);
    if (this.endpoint.kvEvents !== undefined) void this.#options.handshakes.consider(this.#identity(round), this.#api);
  }

  #observe(round: AnsweredRound, reading: EngineReading): void {
    const restarted = this.#epoch.observe({
      startTimeS: reading.startTimeS,
      counters: { promptTokens: reading.promptTokens, prefixQueryTokens: reading.sample.prefixQueryTokens },
    });
    if (!restarted) return;
    this.#log.info({ epoch: this.epoch }, "the engine restarted");
    this.#scraper.forget();
    this.#options.sink.onLostTrack(this.#identity(round), "restart");
    this.#follower?.reset();
  }

  #failed(error: EngineApiError): void {
    this.#options.metrics.scrapeErrors.inc({ reason: error.reason });
    const tookOut = this.#health.failed();
    if (!tookOut) return;
    this.#log.warn({ reason: error.reason, detail: error.message }, "the engine does not answer: unready");
    // Whatever answers next at this address may be another engine.
    this.#scraper.forget();
  }

  #lostTrack(cause: LostTrack): void {
    if (cause === "restart") {
      this.#epoch.sequenceRestarted();
      this.#sequenceRestartedAtMs = this.#options.nowMs();
      this.#scraper.forget();
    }
    if (this.#last !== undefined) this.#options.sink.onLostTrack(this.#identity(this.#last), cause);
    this.#announce();
  }

  /** Says so once when what the edge routes by is no longer what it was. */
  #announce(): void {
    const now = JSON.stringify([this.state, this.epoch, this.#last?.models.names]);
    if (now === this.#announced) return;
    this.#announced = now;
    this.#options.onChange();
  }
}
