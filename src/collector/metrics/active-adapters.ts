import type { EngineSample } from "../../protocol/push-message.ts";
import type { Series } from "./exposition.ts";
import { countLabel } from "./rank-totals.ts";

/**
 * The LoRA adapters of vLLM's `lora_requests_info`. It leaves a series behind for each combination it ever had, with the
 * time as its value: the newest one holds. Nothing where the engine serves no adapters.
 */
export function activeAdapters(
  series: readonly Series[],
): Pick<EngineSample, "runningAdapters" | "waitingAdapters" | "mostAdapters"> {
  let newest: Series | undefined;
  for (const one of series) if (newest === undefined || one.value > newest.value) newest = one;
  if (newest === undefined) return {};
  return {
    runningAdapters: namesIn(newest, "running_lora_adapters"),
    waitingAdapters: namesIn(newest, "waiting_lora_adapters"),
    mostAdapters: countLabel(newest, "max_lora"),
  };
}

function namesIn(series: Series, label: string): string[] {
  return (series.labels.get(label) ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
