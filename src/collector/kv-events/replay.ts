import { Dealer } from "zeromq";
import { type KvEventFrames, parseReplayFrames, replayRequestFrames } from "./frames.ts";

/** How a replay ended. Only `complete` has seen the end marker. */
export type ReplayOutcome = "complete" | "timed_out" | "cancelled" | "failed";

export type ReplayRequest = {
  /** `tcp://host:port` of the engine's replay ROUTER. */
  readonly endpoint: string;
  /** First sequence number wanted. */
  readonly fromSequence: number;
  /** Longest silence. The publisher looks at its ROUTER between batches, every 100 ms at the latest. */
  readonly silenceTimeoutMs: number;
  /** Longest duration of the whole replay. */
  readonly totalTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly onBatch: (frames: KvEventFrames) => void;
  /** A reply came that is neither a batch nor the end. */
  readonly onUnreadable: () => void;
};

/**
 * Fetches what a publisher still buffers. Replies come oldest first and may begin after `fromSequence` or have holes (the
 * ROUTER drops what does not fit): the caller checks continuity. Never rejects.
 */
export async function requestReplay(request: ReplayRequest): Promise<ReplayOutcome> {
  if (request.signal.aborted) return "cancelled";
  // Receive mark 0: with the default of 1,000 a long replay to a busy reader loses its tail and the end marker.
  const dealer = new Dealer({ linger: 0, receiveHighWaterMark: 0, receiveTimeout: request.silenceTimeoutMs });
  const cancel = () => dealer.close();
  const endsBefore = performance.now() + request.totalTimeoutMs;
  try {
    dealer.connect(request.endpoint);
    request.signal.addEventListener("abort", cancel, { once: true });
    await dealer.send(replayRequestFrames(request.fromSequence));
    while (performance.now() < endsBefore) {
      const reply = parseReplayFrames(await dealer.receive());
      if (request.signal.aborted) return "cancelled";
      if (reply?.kind === "end") return "complete";
      if (reply === undefined) request.onUnreadable();
      else request.onBatch(reply.frames);
    }
    return "timed_out";
  } catch (error) {
    if (request.signal.aborted) return "cancelled";
    return isTimeout(error) ? "timed_out" : "failed";
  } finally {
    request.signal.removeEventListener("abort", cancel);
    if (!dealer.closed) dealer.close();
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}
