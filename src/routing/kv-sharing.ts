/** Weight that older readings keep with each new one. */
const KEPT = 0.9;

/**
 * What requests really hold of a pod's KV memory, by what their prompts come to when counted one by one: less where they
 * share prefixes, which the engine holds once. The engine's figure by itself is as old as its last reading; this share of
 * the prompts that are there now is not.
 */
export class KvSharing {
  #reportedTokens = 0;
  #promptTokens = 0;

  /** The engine had so much in use when requests with so many prompt tokens were being served. */
  observe(reportedTokens: number, promptTokens: number): void {
    this.#reportedTokens = KEPT * this.#reportedTokens + reportedTokens;
    this.#promptTokens = KEPT * this.#promptTokens + promptTokens;
  }

  /** KV tokens for each prompt token; undefined before anything was seen. */
  get share(): number | undefined {
    return this.#promptTokens === 0 ? undefined : this.#reportedTokens / this.#promptTokens;
  }
}
