import { pickLowest } from "../../routing/policy.ts";
import { seededRandom } from "../../routing/random.ts";
import type { EngineProfile } from "../engine/step-time.ts";
import type { FleetEngine } from "./fleet-engine.ts";
import type { FleetRouter, FleetRouterMaker, FleetRouterSetting, RoutedRequest } from "./fleet-router.ts";

/** What asking for more memory than there is costs at least, and per cache size beyond, in ms. */
const MEMORY_BASE_MS = 2_000;
const MEMORY_SLOPE_MS = 5_000;
/** A prefill of this length makes the decodes beside it wait for one more step. */
const DECODE_STRETCH_MS = 200;

/** Time an idle engine takes to prefill a prompt of which it has `hitTokens`. */
export function prefillMs(profile: EngineProfile, promptTokens: number, hitTokens: number, stepBudget: number): number {
  const newTokens = promptTokens - hitTokens;
  return (
    Math.ceil(newTokens / stepBudget) * profile.overheadMs +
    profile.tokenMs * newTokens +
    (profile.pairMs * newTokens * (promptTokens + hitTokens)) / 2
  );
}

/**
 * Greedy with perfect knowledge: the pod where this request's first token comes soonest, by the engines' true queues,
 * caches and clocks. A bound for routers that place one request at a time; it does not see what a placement costs later ones.
 */
export const omniscient: FleetRouterMaker = (setting) =>
  new EngineWatcher(setting, (request, engine) => trueCostMs(request, engine));

/**
 * Predicted time to first token from the router's own account and the engine model's true constants: pending prefill
 * sent to the pod, twice its own, interference and memory. What earlier measurements call est_ttft.
 */
export const estimatedTtft: FleetRouterMaker = (setting) => new EstimatedTtft(setting);

/** A chooser that keeps nothing but looks into the engines. */
class EngineWatcher implements FleetRouter {
  readonly #setting: FleetRouterSetting;
  readonly #cost: (request: RoutedRequest, engine: FleetEngine, pod: number) => number;
  readonly #random: () => number;

  constructor(setting: FleetRouterSetting, cost: (request: RoutedRequest, engine: FleetEngine, pod: number) => number) {
    this.#setting = setting;
    this.#cost = cost;
    this.#random = seededRandom(setting.seed);
  }

  route(request: RoutedRequest): number | undefined {
    const { engines, isUp } = this.#setting;
    const costs = Float64Array.from(engines, (engine, pod) =>
      isUp(pod) ? this.#cost(request, engine, pod) : Number.POSITIVE_INFINITY,
    );
    const chosen = pickLowest(costs, this.#random);
    return costs[chosen] === Number.POSITIVE_INFINITY ? undefined : chosen;
  }

  move(request: RoutedRequest): number | undefined {
    return this.route(request);
  }

  firstToken(): void {
    // The engines tell.
  }

  finish(): void {
    // The engines tell.
  }

  report(): void {
    // The engines tell.
  }
}

function trueCostMs(request: RoutedRequest, engine: FleetEngine): number {
  const { profile, rules, cache, slowdown } = engine;
  const own = ownPrefillMs(request, engine);
  let workMs = own;
  let promisedBlocks = 0;
  for (const { promptTokens, computedTokens } of engine.prefilling) {
    workMs += prefillMs(profile, promptTokens, computedTokens, rules.stepBudget);
  }
  for (const { blocks, promptTokens, outputTokens } of engine.waiting) {
    const hits = cache.countLeading(blocks, Math.floor((promptTokens - 1) / rules.blockTokens));
    workMs += prefillMs(profile, promptTokens, hits * rules.blockTokens, rules.stepBudget);
    promisedBlocks += Math.ceil((promptTokens + outputTokens) / rules.blockTokens) - hits;
  }
  const steps = Math.max(1, Math.ceil(workMs / DECODE_STRETCH_MS));
  const decodeMs = steps * (engine.decodes.size * profile.tokenMs + engine.decodes.contextTokens * profile.contextMs);
  const needed = Math.ceil((request.promptTokens + request.outputTokens) / rules.blockTokens) + promisedBlocks;
  const excess = needed - cache.availableBlocks;
  const memoryMs = excess <= 0 ? 0 : MEMORY_BASE_MS + (MEMORY_SLOPE_MS * excess) / cache.capacityBlocks;
  // A miss is charged twice, as by the estimate this bounds: it also evicts what others would have used.
  return slowdown * (workMs + own + decodeMs) + memoryMs;
}

function ownPrefillMs({ blocks, promptTokens }: RoutedRequest, { cache, rules, profile }: FleetEngine): number {
  const hits = cache.countLeading(blocks, Math.floor((promptTokens - 1) / rules.blockTokens));
  return prefillMs(profile, promptTokens, hits * rules.blockTokens, rules.stepBudget);
}

class EstimatedTtft extends EngineWatcher {
  readonly #pendingMs: Float64Array;
  readonly #inFlight: Float64Array;
  readonly #promptTokens: Float64Array;
  readonly #sent = new Map<number, { pod: number; ownMs: number }>();
  readonly #setting: FleetRouterSetting;

  constructor(setting: FleetRouterSetting) {
    const pods = setting.engines.length;
    const pendingMs = new Float64Array(pods);
    const inFlight = new Float64Array(pods);
    const promptTokens = new Float64Array(pods);
    super(setting, (request, engine, pod) => {
      const { profile } = engine;
      const own = ownPrefillMs(request, engine);
      const kvTokens = promptTokens[pod] as number;
      const interferenceMs =
        (inFlight[pod] as number) * profile.tokenMs + profile.contextMs * kvTokens * (1 + own / DECODE_STRETCH_MS);
      const excess = kvTokens + request.promptTokens - setting.capacityTokens;
      const memoryMs = excess <= 0 ? 0 : MEMORY_BASE_MS + (MEMORY_SLOPE_MS * excess) / setting.capacityTokens;
      return (pendingMs[pod] as number) + 2 * own + interferenceMs + memoryMs;
    });
    this.#pendingMs = pendingMs;
    this.#inFlight = inFlight;
    this.#promptTokens = promptTokens;
    this.#setting = setting;
  }

  override route(request: RoutedRequest): number | undefined {
    const pod = super.route(request);
    if (pod === undefined) return undefined;
    const ownMs = ownPrefillMs(request, this.#setting.engines[pod] as FleetEngine);
    this.#sent.set(request.index, { pod, ownMs });
    this.#add(this.#pendingMs, pod, ownMs);
    this.#add(this.#inFlight, pod, 1);
    this.#add(this.#promptTokens, pod, request.promptTokens);
    return pod;
  }

  override move(request: RoutedRequest): number | undefined {
    this.#leave(request);
    return this.route(request);
  }

  override firstToken(request?: RoutedRequest): void {
    const sent = request && this.#sent.get(request.index);
    if (sent === undefined) return;
    this.#add(this.#pendingMs, sent.pod, -sent.ownMs);
    sent.ownMs = 0;
  }

  override finish(request?: RoutedRequest): void {
    if (request !== undefined) this.#leave(request);
  }

  #leave(request: RoutedRequest): void {
    const sent = this.#sent.get(request.index);
    if (sent === undefined) return;
    this.#sent.delete(request.index);
    this.#add(this.#pendingMs, sent.pod, -sent.ownMs);
    this.#add(this.#inFlight, sent.pod, -1);
    this.#add(this.#promptTokens, sent.pod, -request.promptTokens);
  }

  #add(values: Float64Array, pod: number, change: number): void {
    values[pod] = (values[pod] as number) + change;
  }
}
