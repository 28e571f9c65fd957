import { randomStream } from "../engine/random-stream.ts";
import type { FleetCall, Workload } from "./workload.ts";

/** A client whose next call is due. In an open loop there is one client, which never waits for answers. */
export type ClientDue = { readonly atMs: number; readonly client: number };

/** A call to be made now. `following`: when the client's next call comes, where it does not wait for the answer. */
export type NextCall = { readonly call: FleetCall; readonly copy: number; readonly following: number | undefined };

/** Sessions of a closed loop start within this time, so that they do not all prefill at once. */
const STAGGER_MS = 10_000;

/** Which call comes next. The order of sessions and their starts are drawn by seed, the same for every policy. */
export class CallSource {
  readonly #workload: Workload;
  readonly #random: () => number;
  readonly #order: number[];
  #sessionsBegun = 0;
  /** By client: its session, the copy of it, and the position of its next call. */
  readonly #sessions: (readonly FleetCall[])[] = [];
  readonly #copies: number[] = [];
  readonly #positions: number[] = [];
  #arrivals = 0;
  /** Clients that will make another call, now or later. */
  #clientsLeft = 0;

  constructor(workload: Workload, seed: number) {
    this.#workload = workload;
    this.#random = randomStream(seed ^ 0x2545);
    const count = workload.kind === "closed" ? workload.sessions.length : 0;
    this.#order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(this.#random() * (i + 1));
      [this.#order[i], this.#order[j]] = [this.#order[j] as number, this.#order[i] as number];
    }
  }

  get isClosed(): boolean {
    return this.#workload.kind === "closed";
  }

  /** When clients make their first calls. */
  first(): ClientDue[] {
    const workload = this.#workload;
    if (workload.kind === "open") {
      const first = workload.arrivals[0];
      return first === undefined ? [] : [{ atMs: first.atMs, client: 0 }];
    }
    const { concurrent, once, sessions } = workload;
    this.#clientsLeft = once ? Math.min(concurrent, sessions.length) : concurrent;
    return Array.from({ length: this.#clientsLeft }, (_, client) => {
      this.#beginSession(client);
      return { atMs: once ? 0 : this.#random() * STAGGER_MS, client };
    });
  }

  /** Whether calls may come after this moment. */
  hasMore(nowMs: number): boolean {
    const workload = this.#workload;
    return workload.kind === "open"
      ? this.#arrivals < workload.arrivals.length
      : this.#clientsLeft > 0 && nowMs < workload.horizonMs;
  }

  /** The client's next call, made now; undefined after the horizon, and where its last session is over. */
  take(client: number, nowMs: number): NextCall | undefined {
    const workload = this.#workload;
    if (workload.kind === "open") {
      const arrival = workload.arrivals[this.#arrivals++];
      if (arrival === undefined) return undefined;
      return { call: arrival.call, copy: arrival.copy, following: workload.arrivals[this.#arrivals]?.atMs };
    }
    if (nowMs >= workload.horizonMs) return undefined;
    const at = this.#positions[client] as number;
    const call = this.#sessions[client]?.[at];
    if (call === undefined) {
      this.#clientsLeft--;
      return undefined;
    }
    this.#positions[client] = at + 1;
    return { call, copy: this.#copies[client] as number, following: undefined };
  }

  /** What the client, just answered, waits before its next call. A session that is over is replaced. */
  pauseMs(client: number): number {
    const at = this.#positions[client] as number;
    if (at >= (this.#sessions[client]?.length ?? 0)) this.#beginSession(client);
    return this.#sessions[client]?.[this.#positions[client] as number]?.thinkMs ?? 0;
  }

  #beginSession(client: number): void {
    const { sessions, once } = this.#workload as Extract<Workload, { kind: "closed" }>;
    if (once && this.#sessionsBegun === sessions.length) return;
    const begun = this.#sessionsBegun++;
    this.#sessions[client] = sessions[this.#order[begun % sessions.length] as number] as readonly FleetCall[];
    // Sessions that come round again belong to other users: they share nothing with the first ones.
    this.#copies[client] = Math.floor(begun / sessions.length);
    this.#positions[client] = 0;
  }
}
