import type { Pod } from "./pod.ts";

/** How long requests stay on the pods, as far as it was seen: to the first token, and from there to the end. */
export type Residence = { readonly firstTokenMs: number; readonly decodeMs: number };

/** Means over the pods of which both are known; undefined where there is none. */
export function residenceOn(pods: readonly Pod[]): Residence | undefined {
  let known = 0;
  let firstMs = 0;
  let restMs = 0;
  for (const { firstTokenMs, decodeMs } of pods) {
    if (firstTokenMs === undefined || decodeMs === undefined) continue;
    known++;
    firstMs += firstTokenMs;
    restMs += decodeMs;
  }
  return known === 0 ? undefined : { firstTokenMs: firstMs / known, decodeMs: restMs / known };
}

/**
 * The pace at which work leaves pods that are full, in tokens per millisecond: what is there, over how long it stays
 * (Little's law). `tokensOf` weighs what a number of requests with so many prompt tokens comes to.
 */
export function paceOf(
  pods: readonly Pod[],
  { firstTokenMs, decodeMs }: Residence,
  tokensOf: (promptTokens: number, requests: number) => number,
): number {
  let tokens = 0;
  for (const { promptTokensInFlight, inFlight } of pods) tokens += tokensOf(promptTokensInFlight, inFlight);
  return tokens / Math.max(1, firstTokenMs + decodeMs);
}
