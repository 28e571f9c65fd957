import { fixed, percent, tableLines } from "../report/table.ts";
import type { PolicyRow } from "./policy-row.ts";

/** The table of a replay: a line per policy, then a line per policy and pod. */
export function policyTable(rows: readonly PolicyRow[]): string[] {
  return [
    ...tableLines(
      [
        { title: "policy", value: ({ policy }) => policy },
        { title: "requests", value: ({ requests }) => requests },
        { title: "failed", value: ({ failed }) => failed },
        { title: "open leases", value: ({ openLeases }) => openLeases },
        { title: "hit share", value: ({ hitShare }) => percent(hitShare) },
        { title: "ceiling", value: ({ ceilingHitShare }) => percent(ceilingHitShare) },
        { title: "TTFT mean", value: ({ ttftMs }) => fixed(ttftMs.mean) },
        { title: "p50", value: ({ ttftMs }) => fixed(ttftMs.p50) },
        { title: "p90", value: ({ ttftMs }) => fixed(ttftMs.p90) },
        { title: "p99", value: ({ ttftMs }) => fixed(ttftMs.p99) },
        { title: "client p50", value: ({ clientTtftMs }) => fixed(clientTtftMs.p50) },
        { title: "p99", value: ({ clientTtftMs }) => fixed(clientTtftMs.p99) },
        { title: "router p50", value: ({ routerMs }) => routerMs.p50 },
        { title: "p99", value: ({ routerMs }) => routerMs.p99 },
      ],
      rows,
    ),
    "",
    ...tableLines(
      [
        { title: "policy", value: ({ policy }) => policy },
        { title: "pod", value: ({ pod }) => pod },
        { title: "requests", value: ({ requests }) => requests },
        { title: "hit share", value: ({ hitShare }) => percent(hitShare) },
        { title: "TTFT mean", value: ({ ttftMs }) => fixed(ttftMs.mean) },
        { title: "p50", value: ({ ttftMs }) => fixed(ttftMs.p50) },
        { title: "p90", value: ({ ttftMs }) => fixed(ttftMs.p90) },
        { title: "p99", value: ({ ttftMs }) => fixed(ttftMs.p99) },
        { title: "client p50", value: ({ clientTtftMs }) => fixed(clientTtftMs.p50) },
        { title: "p99", value: ({ clientTtftMs }) => fixed(clientTtftMs.p99) },
      ],
      rows.flatMap(({ policy, podRows }) => podRows.map((pod) => ({ policy, ...pod }))),
    ),
    "",
    "Times in ms. TTFT is the engines' own, in simulated time; client: TTFT as clients measured it; router: wall time.",
  ];
}
