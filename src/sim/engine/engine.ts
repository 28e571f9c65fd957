import { AnswerWriter } from "./answer-writer.ts";
import { controlRoutes } from "./control-routes.ts";
import { EngineCore } from "./engine-core.ts";
import { dimensionsOf, type EngineOptions, type EngineOptionsInput, engineOptionsSchema } from "./engine-options.ts";
import { type EngineServices, resolveModel } from "./engine-services.ts";
import { type FaultOrder, RequestFaultSwitch } from "./faults.ts";
import { createRouteServer, engineRoutes } from "./http-server.ts";
import type { CacheContent } from "./kv-cache.ts";
import type { KvEvent } from "./kv-event.ts";
import { KvEventOutlet } from "./kv-event-outlet.ts";
import { ListeningPort } from "./listening-port.ts";
import { loadQwenTokenizer } from "./qwen-tokenizer.ts";
import { RequestLedger } from "./request-ledger.ts";
import type { EngineState, RequestState, SimulatedEngine } from "./simulated-engine.ts";
import { processClock } from "./step-loop.ts";

export type { SimulatedEngine } from "./simulated-engine.ts";

/** Starts an engine and resolves when all its ports answer. Rejects if a port is taken or an option makes no sense. */
export async function startEngine(options: EngineOptionsInput = {}): Promise<SimulatedEngine> {
  const engine = new RunningEngine(engineOptionsSchema.parse(options));
  await engine.open();
  return engine;
}

class RunningEngine implements SimulatedEngine {
  readonly #options: EngineOptions;
  readonly #services: EngineServices;
  readonly #api: ListeningPort;
  readonly #controlPort: ListeningPort;
  readonly #outlet: KvEventOutlet;
  readonly #ledger = new RequestLedger();
  readonly #requestFaults = new RequestFaultSwitch();
  #core: EngineCore;
  #prefillTokensAtReset = 0;
  /** When the current life began, to the hundredth of a second, which is how Linux tells it. */
  #startedUnixS = 0;
  #faultsApplied: Promise<void> = Promise.resolve();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#outlet = new KvEventOutlet(options);
    const tokenizer = loadQwenTokenizer();
    this.#services = {
      options,
      dimensions: dimensionsOf(options),
      tokenizer,
      answers: new AnswerWriter(tokenizer, options.noncanonicalShare),
      ledger: this.#ledger,
      requestFaults: this.#requestFaults,
      clock: processClock,
      startedUnixS: Math.floor(Date.now() / 1000),
      core: () => this.#core,
    };
    this.#core = this.#createCore();
    const control = controlRoutes(() => this);
    const { host, httpPort, controlPort, apiKey } = options;
    const apiServer = createRouteServer({ ...engineRoutes(options), ...control }, this.#services, apiKey ?? null);
    this.#api = new ListeningPort(apiServer, host, httpPort);
    this.#controlPort = new ListeningPort(createRouteServer(control, this.#services, null), host, controlPort);
  }

  get name(): string {
    return this.#options.name;
  }

  get url(): string {
    return this.#api.url;
  }

  get control(): string {
    return this.#controlPort.url;
  }

  get kvEvents(): string | null {
    return this.#outlet.events;
  }

  get kvReplay(): string | null {
    return this.#outlet.replay;
  }

  get epoch(): string {
    return this.#core.epoch;
  }

  async open(): Promise<void> {
    await this.#outlet.open();
    await this.#api.open();
    await this.#controlPort.open();
  }

  state(): EngineState {
    const { running, waiting, blocksUsed, blocksCached, totals } = this.#core.readings();
    const { inFlight, aborted, finished, promptTokens, cachedTokens } = this.#ledger;
    const prefillTokensComputed = totals.prefillTokens - this.#prefillTokensAtReset;
    return {
      inFlight,
      running,
      waiting,
      aborted,
      finished,
      blocksUsed,
      blocksCached,
      epoch: this.epoch,
      prefillTokensComputed,
      promptTokens,
      cachedTokens,
    };
  }

  requests(): readonly RequestState[] {
    return this.#core.sequences().map((sequence) => ({
      state: sequence.state,
      promptTokens: sequence.promptLength,
      cachedTokens: sequence.cachedLength,
      generatedTokens: sequence.generatedLength,
    }));
  }

  contains(tokens: ArrayLike<number>, adapter: string | null = null, cacheSalt: string | null = null): CacheContent {
    const resolved = adapter === null ? null : resolveModel(this.#options, adapter).adapter;
    return this.#core.contentOf(Uint32Array.from(tokens), { adapter: resolved, cacheSalt });
  }

  cachedHashes(groupIndex = 0): Map<bigint, number> {
    return this.#core.cachedHashes(groupIndex);
  }

  resetStats(): void {
    this.#ledger.reset();
    this.#prefillTokensAtReset = this.#core.readings().totals.prefillTokens;
  }

  setFault(order: FaultOrder): Promise<void> {
    const applied = this.#faultsApplied.then(() => this.#applyFault(order));
    // The next fault waits for this one, and does not care how it went.
    this.#faultsApplied = applied.catch(() => undefined);
    return applied;
  }

  async close(): Promise<void> {
    await this.#faultsApplied;
    this.#core.stop();
    this.#outlet.close();
    this.#api.cut();
    this.#controlPort.cut();
  }

  async #applyFault(order: FaultOrder): Promise<void> {
    switch (order.kind) {
      case "none":
        this.#requestFaults.set(null);
        this.#core.slowFactor = 1;
        this.#outlet.loseNone();
        return this.#api.open();
      case "refuse":
        return this.#api.shut();
      case "restart":
        return this.#restart(order.downMs ?? 0);
      case "clear":
        return this.#core.clearCache(true);
      case "slow":
        this.#core.slowFactor = order.factor;
        return;
      case "lose-events":
        return this.#outlet.lose(order.count, order.how);
      default:
        return this.#requestFaults.set(order);
    }
  }

  /** A new life on the old ports: connections cut, cache and event sequence from the start. */
  async #restart(downMs: number): Promise<void> {
    const { slowFactor } = this.#core;
    this.#core.stop();
    this.#outlet.close();
    this.#api.cut();
    this.#core = this.#createCore();
    this.#core.slowFactor = slowFactor;
    this.#prefillTokensAtReset = 0;
    if (downMs > 0) await new Promise((resolve) => setTimeout(resolve, downMs));
    await this.#outlet.open();
    await this.#api.open();
  }

  #createCore(): EngineCore {
    const surroundings = {
      clock: processClock,
      publish: (events: readonly KvEvent[]) => this.#outlet.publish(events),
    };
    // Two lives must never seem one, however short the first.
    const hundredths = Math.max(Math.floor(Date.now() / 10), Math.round(100 * this.#startedUnixS) + 1);
    this.#startedUnixS = hundredths / 100;
    return new EngineCore(this.#options, this.#services.dimensions, surroundings, this.#startedUnixS);
  }
}
