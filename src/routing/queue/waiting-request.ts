import type { QueuedRequest } from "./queued-request.ts";

/** A request in the queue, with what its order is computed from. */
export type WaitingRequest<Payload> = {
  readonly request: QueuedRequest<Payload>;
  /** Weighted tokens it is charged when placed. */
  readonly workTokens: number;
  /** Its place among those of its key (see stretch-order.ts). */
  readonly rankMs: number;
  /** Counts the requests taken in: breaks ties. */
  readonly turn: number;
};
