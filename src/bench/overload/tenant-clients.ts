import { setTimeout as delay } from "node:timers/promises";
import { randomStream } from "../../sim/engine/random-stream.ts";
import type { CallOutcome } from "../load/call-outcome.ts";
import { LoadClient, type LoadRequest } from "../load/load-client.ts";
import type { Stack } from "../stack/stack.ts";
import { syntheticText } from "../traces/synthetic-text.ts";

/** A key's share of the load: one of many requests, or one of few. */
export const TENANTS = ["heavy", "light"] as const;
export type Tenant = (typeof TENANTS)[number];

/** One sending of a request, and what came of it. */
export type Sending = {
  readonly tenant: Tenant;
  /** 2: it comes back after it was refused. */
  readonly attempt: 1 | 2;
  /** When it was sent, on the clock of `performance.now()`. */
  readonly atMs: number;
  readonly outcome: CallOutcome;
  /** What its refusal said. */
  readonly retryAfterS: number | undefined;
};

/** Lengths of a request, in tokens. Each is drawn from three quarters to five quarters of it, whoever asks. */
export type RequestShape = { readonly promptTokens: number; readonly answerTokens: number };

const PATH = "/v1/chat/completions";

/** The clients of a heavy and of a light key. No two of their requests have a prefix in common. */
export class TenantClients {
  readonly #clients: ReadonlyMap<Tenant, LoadClient>;
  readonly #random: () => number;
  readonly #shape: RequestShape;
  readonly #model: string;
  readonly #seed: number;
  readonly #signal: AbortSignal;
  #sent = 0;

  constructor(stack: Stack, shape: RequestShape, timeoutMs: number, seed: number, signal: AbortSignal) {
    const { edgeUrl: url, tenantKeys } = stack;
    const nowMs = () => performance.now();
    this.#clients = new Map(
      TENANTS.map((tenant) => {
        const apiKey = tenantKeys.get(tenant) ?? "";
        return [tenant, new LoadClient({ url, apiKey, timeoutMs, nowMs })];
      }),
    );
    this.#model = stack.model;
    this.#shape = shape;
    this.#seed = seed;
    this.#random = randomStream(seed);
    this.#signal = signal;
  }

  /** Sends a new request and resolves at its end. */
  send(tenant: Tenant): Promise<Sending> {
    return this.#call(tenant, this.#request(), 1);
  }

  /** The same; who is refused comes back once, when told and not before. `done` is told of each end. */
  async sendPatiently(tenant: Tenant, done: (sending: Sending) => void): Promise<void> {
    const request = this.#request();
    const first = await this.#call(tenant, request, 1);
    done(first);
    if (first.retryAfterS === undefined) return;
    await delay(1_000 * first.retryAfterS, undefined, { signal: this.#signal });
    done(await this.#call(tenant, request, 2));
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  async #call(tenant: Tenant, request: LoadRequest, attempt: 1 | 2): Promise<Sending> {
    this.#signal.throwIfAborted();
    const atMs = performance.now();
    const outcome = await (this.#clients.get(tenant) as LoadClient).call(request);
    // Where the headers of a stream were out already, a comment in it tells the same.
    const isRefused = outcome.status === 429 || (outcome.status === 200 && outcome.kind === "failed");
    const told = Number(outcome.headers["retry-after"] ?? Number.NaN);
    const retryAfterS = isRefused && Number.isFinite(told) ? told : undefined;
    return { tenant, attempt, atMs, outcome, retryAfterS };
  }

  #request(): LoadRequest {
    const { promptTokens, answerTokens } = this.#shape;
    const around = (tokens: number): number => Math.round(tokens * (0.75 + this.#random() / 2));
    const content = `${this.#seed}/${this.#sent++}${syntheticText(`${this.#seed} ${this.#sent % 64}`, around(promptTokens))}`;
    const lengths = { max_tokens: around(answerTokens), ignore_eos: true };
    const body = { model: this.#model, messages: [{ role: "user", content }], stream: true, ...lengths };
    return { path: PATH, body, headers: {} };
  }
}
