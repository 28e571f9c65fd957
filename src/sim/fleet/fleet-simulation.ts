import { CallSource } from "./call-source.ts";
import { arrivingRequest, type EngineRequest } from "./engine-request.ts";
import { EventQueue } from "./event-queue.ts";
import {
  CALL,
  FINISHED,
  FIRST_TOKEN,
  INCIDENT,
  REACH,
  RELEASED,
  REPORT,
  SCRAPE,
  SEND,
  STEP,
  WAKE,
} from "./fleet-events.ts";
import { FleetPods } from "./fleet-pods.ts";
import { type FleetRouter, type FleetRouterMaker, HELD } from "./fleet-router.ts";
import { type FleetSetup, halfRttMs, type Incident } from "./fleet-setup.ts";
import type { LiveRequest } from "./live-request.ts";
import { RequestLog } from "./request-log.ts";
import { blockIds, type Workload } from "./workload.ts";

/** What a simulation came to. */
export type FleetResult = {
  readonly log: RequestLog;
  /** By pod. */
  readonly prefilledTokens: readonly number[];
  readonly preemptions: number;
  /** Requests sent a second time since their pod went down. */
  readonly resent: number;
  /** Requests that no pod could take. */
  readonly refused: number;
};

/**
 * Plays a workload against a fleet of simulated engines behind one router. Discrete events on a clock of its own:
 * the same arguments give the same result, to the last digit.
 */
export function simulateFleet(workload: Workload, setup: FleetSetup, makeRouter: FleetRouterMaker): FleetResult {
  return new FleetSimulation(workload, setup, makeRouter).run();
}

class FleetSimulation {
  readonly #workload: Workload;
  readonly #setup: FleetSetup;
  readonly #router: FleetRouter;
  readonly #calls: CallSource;
  readonly #events = new EventQueue();
  readonly #pods: FleetPods;
  readonly #live = new Map<number, LiveRequest>();
  readonly #log = new RequestLog();
  #nowMs = 0;
  #resent = 0;
  #refused = 0;

  constructor(workload: Workload, setup: FleetSetup, makeRouter: FleetRouterMaker) {
    this.#workload = workload;
    this.#setup = setup;
    this.#calls = new CallSource(workload, setup.seed);
    this.#pods = new FleetPods(setup, {
      firstToken: (index, pod) => this.#after(halfRttMs(setup.rtt, index, pod), FIRST_TOKEN, index),
      finished: (index, pod) => this.#after(halfRttMs(setup.rtt, index, pod), FINISHED, index),
      stepDue: (pod, atMs) => this.#events.add(atMs, STEP, pod),
      reportDue: (atMs) => this.#events.add(atMs, REPORT, 0),
    });
    const { blockTokens } = setup.rules;
    this.#router = makeRouter({
      engines: this.#pods.engines,
      isUp: (pod) => this.#pods.isReady(pod),
      seed: setup.seed,
      regions: setup.rtt?.rttMs.length ?? 1,
      blockTokens,
      capacityTokens: this.#pods.blocksPerPod * blockTokens,
      // The router is in the middle of something: what comes of it happens at the same moment, but after.
      released: (index, pod) => {
        (this.#live.get(index) as LiveRequest).pod = pod;
        this.#events.add(this.#nowMs, RELEASED, index);
      },
      wakeAt: (atMs) => this.#events.add(atMs, WAKE, 0),
    });
  }

  run(): FleetResult {
    this.#scrape();
    for (const [i, { atMs }] of this.#setup.incidents.entries()) this.#events.add(atMs, INCIDENT, i);
    for (const { atMs, client } of this.#calls.first()) this.#events.add(atMs, CALL, client);
    while (this.#events.take()) {
      this.#nowMs = this.#events.timeMs;
      this.#handle(this.#events.kind, this.#events.argument);
    }
    return {
      log: this.#log,
      prefilledTokens: this.#pods.engines.map(({ prefilledTokens }) => prefilledTokens),
      preemptions: this.#pods.engines.reduce((sum, { preemptions }) => sum + preemptions, 0),
      resent: this.#resent,
      refused: this.#refused,
    };
  }

  #handle(kind: number, argument: number): void {
    switch (kind) {
      case STEP:
        this.#pods.stepEnd(argument, this.#nowMs);
        return;
      case CALL:
        this.#call(argument);
        return;
      case SEND:
        this.#send(this.#live.get(argument) as LiveRequest);
        return;
      case REACH:
        this.#reach(this.#live.get(argument));
        return;
      case FIRST_TOKEN:
        this.#firstToken(this.#live.get(argument));
        return;
      case FINISHED:
        this.#finished(this.#live.get(argument));
        return;
      case SCRAPE:
        this.#scrape();
        return;
      case REPORT:
        this.#report();
        return;
      case RELEASED:
        this.#released(this.#live.get(argument) as LiveRequest);
        return;
      case WAKE:
        this.#router.wake?.(this.#nowMs);
        return;
      case INCIDENT:
        this.#resend(this.#pods.suffer(this.#setup.incidents[argument] as Incident, this.#nowMs));
        return;
    }
  }

  /** A client makes its next call. */
  #call(client: number): void {
    const next = this.#calls.take(client, this.#nowMs);
    if (next === undefined) return;
    const { call, copy, following } = next;
    if (following !== undefined) this.#events.add(following, CALL, client);
    const { promptTokens, outputTokens } = call;
    const index = this.#log.add(this.#nowMs, promptTokens, outputTokens);
    const blocks = blockIds(call, this.#workload, this.#setup.rules.blockTokens, copy);
    const waiting = this.#calls.isClosed ? client : -1;
    const session = `${call.session}-${copy}`;
    const { opening } = call;
    const request = { index, blocks, promptTokens, outputTokens, session, opening, call, copy, client: waiting };
    this.#live.set(index, { ...request, sentMs: this.#nowMs, pod: undefined, engineRequest: undefined });
    this.#after(this.#setup.routerMs, SEND, index);
  }

  #send(live: LiveRequest): void {
    live.sentMs = this.#nowMs;
    const pod = this.#router.route(live, this.#nowMs);
    if (pod !== HELD) this.#toPod(live, pod);
  }

  #released(live: LiveRequest): void {
    live.sentMs = this.#nowMs;
    this.#toPod(live, live.pod);
  }

  #toPod(live: LiveRequest, pod: number | undefined): void {
    if (pod === undefined) {
      this.#refuse(live);
      return;
    }
    live.pod = pod;
    this.#after(halfRttMs(this.#setup.rtt, live.index, pod), REACH, live.index);
  }

  #reach(live: LiveRequest | undefined): void {
    if (live === undefined) return;
    const { index, call, copy } = live;
    const pod = live.pod as number;
    if (!this.#pods.isUp(pod)) {
      // Refused connection: the router hears of it at once.
      this.#resent++;
      this.#toPod(live, this.#router.move(live, this.#nowMs));
      return;
    }
    const { rules } = this.#setup;
    const continuation =
      rules.answersReusable && call.next !== undefined
        ? blockIds(call.next, this.#workload, rules.blockTokens, copy)
        : undefined;
    const arriving = arrivingRequest(index, live, continuation);
    live.engineRequest = arriving;
    if (Number.isNaN(this.#log.firstTokenMs[index])) this.#log.reachedMs[index] = this.#nowMs;
    if (this.#pods.enqueue(pod, arriving, this.#nowMs)) return;
    this.#router.finish(live, { kind: "failed", hitTokens: 0 }, this.#nowMs);
    this.#refuse(live);
  }

  #firstToken(live: LiveRequest | undefined): void {
    if (live === undefined) return;
    if (Number.isNaN(this.#log.firstTokenMs[live.index])) this.#log.firstTokenMs[live.index] = this.#nowMs;
    this.#router.firstToken(live, this.#nowMs - live.sentMs, this.#nowMs);
  }

  #finished(live: LiveRequest | undefined): void {
    if (live === undefined) return;
    const { index, pod, client, engineRequest } = live;
    const hitTokens = engineRequest?.hitTokens ?? 0;
    this.#log.endMs[index] = this.#nowMs;
    this.#log.hitTokens[index] = hitTokens;
    this.#log.pod[index] = pod as number;
    this.#router.finish(live, { kind: "completed", hitTokens }, this.#nowMs);
    this.#leave(index, client);
  }

  #refuse({ index, client }: LiveRequest): void {
    this.#refused++;
    this.#leave(index, client);
  }

  #leave(index: number, client: number): void {
    this.#live.delete(index);
    if (client >= 0) this.#events.add(this.#nowMs + this.#calls.pauseMs(client), CALL, client);
  }

  #scrape(): void {
    this.#pods.scrape(this.#nowMs);
    this.#report();
    if (this.#nowMs === 0 || this.#live.size > 0 || this.#calls.hasMore(this.#nowMs)) {
      this.#events.add(this.#nowMs + this.#setup.scrapeMs, SCRAPE, 0);
    }
  }

  #report(): void {
    this.#router.report(this.#pods.reports(this.#nowMs), this.#nowMs);
  }

  /** A request without a first token moves; a broken stream is asked for again by its client. */
  #resend(lost: readonly EngineRequest[]): void {
    for (const { index } of lost) {
      const live = this.#live.get(index);
      if (live === undefined) continue;
      this.#resent++;
      if (Number.isNaN(this.#log.firstTokenMs[index])) {
        this.#toPod(live, this.#router.move(live, this.#nowMs));
      } else {
        this.#router.finish(live, { kind: "failed", hitTokens: 0 }, this.#nowMs);
        this.#send(live);
      }
    }
  }

  /** Handles an event later, or now if there is no delay. */
  #after(delayMs: number, kind: number, argument: number): void {
    if (delayMs > 0) this.#events.add(this.#nowMs + delayMs, kind, argument);
    else this.#handle(kind, argument);
  }
}
