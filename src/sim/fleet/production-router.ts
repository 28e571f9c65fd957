import type { ClaimChange } from "../../routing/confirmed-claims.ts";
import type { Placement, RouteRefusal, RouteRequest } from "../../routing/placement.ts";
import type { PodFacts } from "../../routing/pod.ts";
import type { PodClaimChange, ReportedPod } from "../../routing/pod-registry.ts";
import { seededRandom } from "../../routing/random.ts";
import { Router } from "../../routing/router.ts";
import { type GivenRules, routingRules } from "../../routing/routing-rules.ts";
import {
  type BlockChange,
  type FleetRouter,
  type FleetRouterMaker,
  type FleetRouterSetting,
  HELD,
  type PodReport,
  type RequestEnd,
  type RoutedRequest,
} from "./fleet-router.ts";
import { blocksPerSegment, segmentHashes, segmentsOfChanges } from "./fleet-segments.ts";
import { type IndexKind, simulationLimits } from "./index-kind.ts";

const MODEL = "simulated";
/** What a token of a simulated prompt is taken to be in text. */
const BYTES_PER_TOKEN = 4;

/** While requests are held, the object around the router sweeps it this often. */
const HELD_SWEEP_MS = 1_000;

/** How the production router is set up. */
export type ProductionSetup = {
  /** The policy's parameters as JSON text, where they are not the defaults. */
  readonly parameters?: string | undefined;
  /** Without rules no request is ever held. */
  readonly rules?: GivenRules | undefined;
  /** Within what time requests want their first token. */
  readonly deadlineMs?: number | undefined;
  /** Undefined: events. */
  readonly index?: IndexKind | undefined;
};

/** The routing core that runs in production, under one of its policies, with the simulation's clock. */
export function productionRouter(policy: string, setup: ProductionSetup = {}): FleetRouterMaker {
  return (setting) => new ProductionRouter(policy, setup, setting);
}

class ProductionRouter implements FleetRouter {
  readonly #router: Router;
  readonly #policy: string;
  readonly #setup: ProductionSetup;
  readonly #index: IndexKind;
  readonly #segmentTokens: number;
  readonly #blocksPerSegment: number;
  readonly #setting: FleetRouterSetting;
  readonly #leases = new Map<number, string>();
  /** By the id a request is held under. */
  readonly #held = new Map<string, RoutedRequest>();
  #wakeArmed = false;
  readonly #facts: PodFacts[] = [];
  #sequence = 0;

  constructor(policy: string, setup: ProductionSetup, setting: FleetRouterSetting) {
    this.#policy = policy;
    this.#setup = setup;
    this.#index = setup.index ?? "events";
    this.#setting = setting;
    this.#blocksPerSegment = blocksPerSegment(setting.blockTokens);
    this.#segmentTokens = this.#blocksPerSegment * setting.blockTokens;
    const limits = simulationLimits(this.#index);
    const random = seededRandom(setting.seed);
    const released = (heldId: string, result: Placement | RouteRefusal) => this.#released(heldId, result);
    this.#router = new Router({ instance: "fleet", random, nowMs: 0, limits, released });
    if (setup.rules !== undefined) this.#router.configure(routingRules(setup.rules), 0);
  }

  route(request: RoutedRequest, nowMs: number): number | typeof HELD | undefined {
    const asked: RouteRequest = {
      model: MODEL,
      policy: this.#policy,
      policyParameters: this.#setup.parameters,
      segments: segmentHashes(request.blocks, this.#blocksPerSegment),
      segmentBytes: this.#segmentTokens * BYTES_PER_TOKEN,
      promptBytes: request.promptTokens * BYTES_PER_TOKEN,
      choices: 1,
      session: request.session,
      // All requests come with the same API key.
      user: "client",
      opening: request.opening,
      origin: this.#regionOf(request.index),
      deadlineMs: this.#setup.deadlineMs,
    };
    const placed = this.#router.route(asked, nowMs);
    if (placed.ok || placed.reason !== "held") return this.#placed(request, placed);
    this.#held.set(placed.heldId, request);
    this.#armWake(nowMs);
    return HELD;
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
    const cachedTokens = this.#index === "all-sent" ? undefined : hitTokens;
    const usage = kind === "completed" ? { promptTokens, cachedTokens, completionTokens } : {};
    this.#router.finish(leaseId, { kind, ...usage }, nowMs);
  }

  wake(nowMs: number): void {
    this.#wakeArmed = false;
    this.#router.sweep(nowMs);
    this.#armWake(nowMs);
  }

  report(reports: readonly PodReport[], nowMs: number): void {
    const claims: PodClaimChange[] = [];
    const pods: ReportedPod[] = [];
    for (const { pod, epoch, ready, running, waiting, kvUsage, ageMs, changes } of reports) {
      const facts = this.#factsOf(pod, epoch, ready);
      pods.push({ facts, gauges: { running, waiting, kvUsage, ageMs } });
      if (this.#index !== "events") continue;
      for (const change of this.#claimChanges(changes)) claims.push({ podId: facts.id, epoch: facts.epoch, change });
    }
    this.#router.report({ source: "fleet", instance: "one", sequence: ++this.#sequence, pods, claims }, nowMs);
  }

  /** As the alarm of the object around the router: at the next deadline, and every second while somebody waits. */
  #armWake(nowMs: number): void {
    const { nextDeadlineAtMs } = this.#router;
    if (this.#wakeArmed || nextDeadlineAtMs === undefined) return;
    this.#wakeArmed = true;
    this.#setting.wakeAt(nowMs + Math.min(HELD_SWEEP_MS, Math.max(1, nextDeadlineAtMs - nowMs)));
  }

  #released(heldId: string, result: Placement | RouteRefusal): void {
    const request = this.#held.get(heldId) as RoutedRequest;
    this.#held.delete(heldId);
    this.#setting.released(request.index, this.#placed(request, result));
  }

  #placed(request: RoutedRequest, placed: Placement | RouteRefusal): number | undefined {
    if (!placed.ok) {
      if (placed.reason === "unknown_policy") {
        throw new Error(`no policy "${this.#policy}"; there are ${placed.known.join(", ")}: ${placed.problem}`);
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
      cluster: this.#regionOf(pod),
      epoch: String(epoch),
      url: "http://simulated",
      state,
      servedModels: [MODEL],
      capacityTokens: this.#setting.capacityTokens,
      blockTokens: this.#setting.blockTokens,
      index: this.#index === "events" ? { mode: "exact" } : { mode: "approximate", reason: "no_events" },
    };
    this.#facts[pod] = facts;
    return facts;
  }

  #regionOf(index: number): string {
    return `region-${index % this.#setting.regions}`;
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
