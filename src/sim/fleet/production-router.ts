import type { ClaimChange } from "../../routing/confirmed-claims.ts";
import type { HeldRequest, Placement, RouteRefusal, RouteRequest } from "../../routing/placement.ts";
import type { PodFacts } from "../../routing/pod.ts";
import type { PodClaimChange, ReportedPod } from "../../routing/pod-registry.ts";
import { seededRandom } from "../../routing/random.ts";
import { Router } from "../../routing/router.ts";
import { DEFAULT_LIMITS } from "../../routing/router-limits.ts";
import type {
  BlockChange,
  FleetRouter,
  FleetRouterMaker,
  FleetRouterSetting,
  PodReport,
  RequestEnd,
  RoutedRequest,
} from "./fleet-router.ts";
import { blocksPerSegment, segmentHashes, segmentsOfChanges } from "./fleet-segments.ts";

const MODEL = "simulated";
/** What a token of a simulated prompt is taken to be in text. */
const BYTES_PER_TOKEN = 4;

/** The routing core that runs in production, under one of its policies, with the simulation's clock. */
export function productionRouter(policy: string): FleetRouterMaker {
  return (setting) => new ProductionRouter(policy, setting);
}

class ProductionRouter implements FleetRouter {
  readonly #router: Router;
  readonly #policy: string;
  readonly #segmentTokens: number;
  readonly #blocksPerSegment: number;
  readonly #setting: FleetRouterSetting;
  readonly #leases = new Map<number, string>();
  readonly #facts: PodFacts[] = [];
  /** Blocks of an unfinished segment, by pod: a segment is claimed with its last block. */
  #sequence = 0;

  constructor(policy: string, setting: FleetRouterSetting) {
    this.#policy = policy;
    this.#setting = setting;
    this.#blocksPerSegment = blocksPerSegment(setting.blockTokens);
    this.#segmentTokens = this.#blocksPerSegment * setting.blockTokens;
    // Leases of a simulation have no holders that could go silent.
    const limits = { ...DEFAULT_LIMITS, leaseTtlMs: Number.POSITIVE_INFINITY };
    this.#router = new Router({ instance: "fleet", random: seededRandom(setting.seed), nowMs: 0, limits });
  }

  route(request: RoutedRequest, nowMs: number): number | undefined {
    const asked: RouteRequest = {
      model: MODEL,
      policy: this.#policy,
      segments: segmentHashes(request.blocks, this.#blocksPerSegment),
      segmentBytes: this.#segmentTokens * BYTES_PER_TOKEN,
      promptBytes: request.promptTokens * BYTES_PER_TOKEN,
      choices: 1,
      session: request.session,
    };
    return this.#placed(request, this.#router.route(asked, nowMs));
  }

  move(request: RoutedRequest, nowMs: number): number | undefined {
    return this.#placed(request, this.#router.move(this.#leases.get(request.index) ?? "", nowMs));
  }

  firstToken(request: RoutedRequest, waitMs: number, nowMs: number): void {
    this.#router.firstToken(this.#leases.get(request.index) ?? "", waitMs, nowMs);
  }

  finish(request: RoutedRequest, { kind, hitTokens }: RequestEnd, nowMs: number): void {
    const leaseId = this.#leases.get(request.index);
    if (leaseId === undefined) return;
    this.#leases.delete(request.index);
    const { promptTokens, outputTokens: completionTokens } = request;
    const usage = kind === "completed" ? { promptTokens, cachedTokens: hitTokens, completionTokens } : {};
    this.#router.finish(leaseId, { kind, ...usage }, nowMs);
  }

  report(reports: readonly PodReport[], nowMs: number): void {
    const claims: PodClaimChange[] = [];
    const pods: ReportedPod[] = [];
    for (const { pod, epoch, ready, running, waiting, kvUsage, ageMs, changes } of reports) {
      const facts = this.#factsOf(pod, epoch, ready);
      pods.push({ facts, gauges: { running, waiting, kvUsage, ageMs } });
      for (const change of this.#claimChanges(changes)) claims.push({ podId: facts.id, epoch: facts.epoch, change });
    }
    this.#router.report({ source: "fleet", instance: "one", sequence: ++this.#sequence, pods, claims }, nowMs);
  }

  #placed(request: RoutedRequest, placed: Placement | HeldRequest | RouteRefusal): number | undefined {
    if (!placed.ok) {
      if (placed.reason === "unknown_policy") {
        throw new Error(`no policy "${this.#policy}"; there are ${placed.known.join(", ")}`);
      }
      return undefined;
    }
    this.#leases.set(request.index, placed.leaseId);
    return podNumber(placed.pod.id);
  }

  #factsOf(pod: number, epoch: number, ready: boolean): PodFacts {
    const state = ready ? "ready" : "unready";
    const known = this.#facts[pod];
    if (known !== undefined && known.epoch === String(epoch) && known.state === state) return known;
    const facts: PodFacts = {
      id: podId(pod),
      cluster: "simulated",
      epoch: String(epoch),
      url: "http://simulated",
      state,
      servedModels: [MODEL],
      capacityTokens: this.#setting.capacityTokens,
      blockTokens: this.#setting.blockTokens,
      index: { mode: "exact" },
    };
    this.#facts[pod] = facts;
    return facts;
  }

  #claimChanges(changes: readonly BlockChange[]): ClaimChange[] {
    return segmentsOfChanges(changes, this.#blocksPerSegment, this.#setting.blockTokens);
  }
}

const DIGITS = 4;

function podId(pod: number): string {
  return `simulated/fleet/pod-${String(pod).padStart(DIGITS, "0")}/8000`;
}

function podNumber(id: string): number {
  const at = id.lastIndexOf("-") + 1;
  return Number(id.slice(at, at + DIGITS));
}
