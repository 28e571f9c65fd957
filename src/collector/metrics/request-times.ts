import type { EngineSample } from "../../protocol/push-message.ts";
import type { Exposition } from "./exposition.ts";
import { type RankFold, sumOverRanks } from "./rank-totals.ts";

/** Names of the series, as an engine calls them. */
export type TimeSeries = {
  /** Count of the histogram whose sum is `requestS`. */
  readonly requests: readonly string[];
  readonly queueS: readonly string[];
  readonly firstTokenS: readonly string[];
  readonly requestS: readonly string[];
};

/** How long an engine's requests took since it started: their number and the sums of their times, in seconds. */
export function requestTimes(
  exposition: Exposition,
  series: TimeSeries,
  ranks: RankFold,
): Pick<EngineSample, "timedRequests" | "queueS" | "firstTokenS" | "requestS"> {
  return {
    timedRequests: sumOverRanks(exposition, series.requests, ranks),
    queueS: sumOverRanks(exposition, series.queueS, ranks),
    firstTokenS: sumOverRanks(exposition, series.firstTokenS, ranks),
    requestS: sumOverRanks(exposition, series.requestS, ranks),
  };
}
