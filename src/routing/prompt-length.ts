import type { LearnedRates } from "./learned-rates.ts";
import type { RouteRequest } from "./placement.ts";
import type { PodMatches } from "./pod-matches.ts";

/**
 * Tokens of a prompt of which only the bytes are known: counted as far as the events of any pod reach, estimated for
 * the rest.
 */
export function promptLength(request: RouteRequest, matches: PodMatches, rates: LearnedRates): number {
  const { countedSegments, countedTokens } = matches;
  const restBytes = Math.max(0, request.promptBytes - countedSegments * request.segmentBytes);
  return countedTokens + Math.ceil(restBytes / rates.bytesPerToken);
}
