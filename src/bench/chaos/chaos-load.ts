import { setTimeout as delay } from "node:timers/promises";
import { randomStream } from "../../sim/engine/random-stream.ts";
import { LoadClient, type PlannedAbort } from "../load/load-client.ts";
import { callRequest } from "../replay/call-body.ts";
import type { Stack } from "../stack/stack.ts";
import { dialogueSessions } from "../traces/dialogues.ts";
import type { ChaosCall } from "./chaos-row.ts";

const PATIENCE_MS = 30_000;
const PAUSE_MS = 50;
const ABORT_SHARE = 0.4;
const ABORT_WITHIN_MS = 400;
/** Dialogues long enough for streams to be under way when a fault strikes. */
const SHAPE = { turns: 4, systemTokens: 400, documentTokens: 1500, questionTokens: 30, answerTokens: 120 };

/** Dialogues that go on until they are told to stop. */
export class ChaosLoad {
  readonly #stack: Stack;
  readonly #client: LoadClient;
  readonly #random: () => number;
  readonly #playing: Promise<unknown>;
  readonly #seed: number;
  #over = false;
  #sessions = 0;
  calls: ChaosCall[] = [];
  /** Which injection the calls that end now belong to. */
  round = 0;
  /** How clients leave, while they do. */
  leaving: PlannedAbort["how"] | undefined;

  constructor(stack: Stack, sessionsAtOnce: number, seed: number) {
    this.#stack = stack;
    this.#seed = seed;
    this.#random = randomStream(seed);
    const { edgeUrl: url, apiKey } = stack;
    this.#client = new LoadClient({ url, apiKey, timeoutMs: PATIENCE_MS, nowMs: () => performance.now() });
    this.#playing = Promise.all(Array.from({ length: sessionsAtOnce }, () => this.#play()));
  }

  /** Lets what is under way come to its end. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#playing;
    this.#client.close();
  }

  async #play(): Promise<void> {
    while (!this.#over) {
      for (const { calls } of dialogueSessions({ ...SHAPE, sessions: 1, seed: this.#seed + this.#sessions++ })) {
        for (const call of calls) {
          if (this.#over) return;
          const leaves = this.leaving !== undefined && this.#random() < ABORT_SHARE;
          const abort =
            leaves && this.leaving ? { how: this.leaving, afterMs: this.#random() * ABORT_WITHIN_MS } : undefined;
          const outcome = await this.#client.call({ ...callRequest(call, this.#stack.model), headers: {}, abort });
          this.calls.push({ outcome, round: this.round });
          await delay(PAUSE_MS);
        }
      }
    }
  }
}
