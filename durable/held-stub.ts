import { RpcTarget } from "cloudflare:workers";
import type { Placement, RouteRefusal } from "../src/routing/placement.ts";
import type { RouteReply } from "./routing-rpc.ts";

/** How a held request got on. */
export type HeldResult = Placement | RouteRefusal;

/** The answer to one who is gone: nobody hears it. */
export const GIVEN_UP = { ok: false, reason: "waited_too_long", retryAfterMs: 0 } as const satisfies HeldResult;

/** What a held request asks of the object that holds it. */
export type HeldKeeper = {
  /** The holder is gone: takes the request out of the queue. */
  abandon(): void;
  /** Opens the lease stub of a placed request. */
  replyOf(result: HeldResult): RouteReply;
  /** Gives the place of a holder that is gone to the next. */
  drop(leaseId: string): void;
};

/** A held request in the object: what became of it, and whether its holder has heard of that. */
export class HeldPlace {
  readonly #keeper: HeldKeeper;
  readonly #result: Promise<HeldResult>;
  #over = false;

  constructor(keeper: HeldKeeper, result: Promise<HeldResult>) {
    this.#keeper = keeper;
    this.#result = result;
  }

  /** The place, for its holder, who has it from then on. */
  async taken(): Promise<RouteReply> {
    const result = await this.#result;
    if (this.#over) return GIVEN_UP;
    this.#over = true;
    return this.#keeper.replyOf(result);
  }

  /** The holder is gone. Nothing happens if it has taken its place. */
  async givenUp(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#keeper.abandon();
    const result = await this.#result;
    if (result.ok) this.#keeper.drop(result.leaseId);
  }
}

/** Where the holder of a held request waits for its place. */
export class PlaceStub extends RpcTarget {
  readonly #place: HeldPlace;

  constructor(place: HeldPlace) {
    super();
    this.#place = place;
  }

  /** Resolves with the request's place, or with why there is none. To be called once. */
  placed(): Promise<RouteReply> {
    return this.#place.taken();
  }
}

/**
 * A request's hold on its place in the queue. The runtime disposes it when the holder returns, throws or loses its
 * client, so a request nobody waits for leaves the queue at once, like a lease. It has no methods: a call under way
 * would keep it from being disposed.
 */
export class HeldStub extends RpcTarget {
  readonly #place: HeldPlace;

  constructor(place: HeldPlace) {
    super();
    this.#place = place;
  }

  /** The holder is gone. Nothing happens if it has taken its place. */
  [Symbol.dispose](): void {
    void this.#place.givenUp();
  }
}
