import type { AttemptFailure } from "./attempt.ts";
import { Refusal } from "./refusal.ts";

/** The end of a request that no pod has answered: what the last of them did. */
export class NoPodLeft {
  readonly failure: AttemptFailure;
  readonly #attempts: number;
  readonly #triedAll: boolean;

  constructor(failure: AttemptFailure, attempts: number, triedAll: boolean) {
    this.failure = failure;
    this.#attempts = attempts;
    this.#triedAll = triedAll;
  }

  get refusal(): Refusal {
    const attempts = this.#attempts;
    const headers = { "x-warmpath-attempts": String(attempts) };
    const tried = this.#triedAll ? "every pod" : attempts === 1 ? "one pod" : `${attempts} pods`;
    if (this.failure.kind === "stalled") {
      const message = `No answer began in time on ${tried}. Retry.`;
      return new Refusal("upstream_stalled", message, { headers });
    }
    const message = `The request failed on ${tried} before an answer began. Retry.`;
    return new Refusal("upstream_failed", message, { headers });
  }

  /** The last engine's own answer to the client, where it gave one: it knows best when to retry. */
  get passedOn(): Response | undefined {
    if (this.failure.kind !== "status") return undefined;
    const { response } = this.failure;
    const attempts = String(this.#attempts);
    const headers = new Headers({ "x-warmpath-attempts": attempts, "x-warmpath-reason": "upstream_failed" });
    for (const name of ["content-type", "retry-after"]) {
      const value = response.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    return new Response(response.body, { status: response.status, headers });
  }
}
