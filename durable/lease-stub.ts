import { RpcTarget } from "cloudflare:workers";
import type { FinishCall, MayMoveCall, MoveCall, MoveReply } from "./routing-rpc.ts";

/** What a lease asks of the object that opened it. */
export type LeaseKeeper = {
  firstToken(leaseId: string, waitMs: number): void;
  renew(leaseId: string): boolean;
  mayMove(call: MayMoveCall): boolean;
  isOverdue(leaseId: string, call: MayMoveCall): boolean;
  move(leaseId: string, call: MoveCall): MoveReply;
  finish(leaseId: string, outcome: FinishCall): void;
};

/**
 * A lease as its holder sees it. The runtime disposes it when the holder returns, throws or loses its client, so the
 * lease is closed however the request ends. Calls on it belong to the RPC session of `route`.
 */
export class LeaseStub extends RpcTarget {
  readonly #keeper: LeaseKeeper;
  readonly #leaseId: string;
  #firstTokenSeen: boolean;

  constructor(keeper: LeaseKeeper, leaseId: string, state: { firstTokenSeen: boolean }) {
    super();
    this.#keeper = keeper;
    this.#leaseId = leaseId;
    this.#firstTokenSeen = state.firstTokenSeen;
  }

  /** The first body byte came, `waitMs` after the request was sent to the pod. */
  firstToken({ waitMs }: { readonly waitMs: number }): void {
    this.#firstTokenSeen = true;
    this.#keeper.firstToken(this.#leaseId, waitMs);
  }

  /** The holder is alive. False: the lease has fallen; adopt it. */
  renew(): boolean {
    return this.#keeper.renew(this.#leaseId);
  }

  /** Whether there is a pod to move to. Changes nothing: the hold on the present one stays. */
  mayMove(call: MayMoveCall): boolean {
    return this.#keeper.mayMove(call);
  }

  /** Whether the pod seems to have lost the request, and there is a better one to move to. Changes nothing. */
  isOverdue(call: MayMoveCall): boolean {
    return this.#keeper.isOverdue(this.#leaseId, call);
  }

  /** The pod failed before the first body byte: places the request on another one, under the same lease. */
  move(call: MoveCall = {}): MoveReply {
    return this.#keeper.move(this.#leaseId, call);
  }

  /** Closes the lease with what is known of its end. */
  finish(outcome: FinishCall): void {
    this.#keeper.finish(this.#leaseId, outcome);
  }

  /**
   * The holder is gone. Nothing happens if the lease was finished. A holder tells of every failure that it sees: one
   * that had its first token and says nothing more had nothing to complain of.
   */
  [Symbol.dispose](): void {
    const outcome = this.#firstTokenSeen
      ? ({ kind: "completed", podOutcome: "answered" } as const)
      : ({ kind: "client_left", podOutcome: "client_left" } as const);
    this.#keeper.finish(this.#leaseId, outcome);
  }
}
