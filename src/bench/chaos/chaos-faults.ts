import type { EngineAddress } from "../stack/engines.ts";
import type { Stack } from "../stack/stack.ts";

/** What can be done to a running stack. */
export const CHAOS_FAULTS = [
  "client_leaves_by_fin",
  "client_leaves_by_rst",
  "engine_refuses",
  "engine_answers_500",
  "engine_dies_mid_stream",
  "engine_stalls",
  "engine_slow",
  "engine_restarts",
  "router_reset",
  "collector_killed",
] as const;
export type ChaosFault = (typeof CHAOS_FAULTS)[number];

/** Faults of clients are planned into their calls; nothing is done to the stack. */
export function isOfClients(fault: ChaosFault): boolean {
  return fault === "client_leaves_by_fin" || fault === "client_leaves_by_rst";
}

const DOWN_MS = 500;
const SLOW_FACTOR = 4;

/** Does it to one engine, or to what there is one of. Resolves when it is in force. */
export async function inject(fault: ChaosFault, stack: Stack, engine: EngineAddress): Promise<void> {
  switch (fault) {
    case "client_leaves_by_fin":
    case "client_leaves_by_rst":
      return;
    case "engine_refuses":
      return order(engine, { kind: "refuse" });
    case "engine_answers_500":
      return order(engine, { kind: "status", status: 500, count: 5 });
    case "engine_dies_mid_stream":
      return order(engine, { kind: "die-mid-stream", afterTokens: 5, count: 3 });
    case "engine_stalls":
      return order(engine, { kind: "hang", count: 3 });
    case "engine_slow":
      return order(engine, { kind: "slow", factor: SLOW_FACTOR });
    case "engine_restarts":
      return order(engine, { kind: "restart", downMs: DOWN_MS });
    case "router_reset":
      return resetRouter(stack);
    case "collector_killed":
      await stack.collector.kill();
      return stack.collector.start();
  }
}

/** Ends what does not end by itself. */
export async function relieve(fault: ChaosFault, engine: EngineAddress): Promise<void> {
  if (fault.startsWith("engine_") && fault !== "engine_restarts") await order(engine, { kind: "none" });
}

async function order(engine: EngineAddress, fault: Record<string, unknown>): Promise<void> {
  const answer = await fetch(`${engine.control}/sim/fault`, { method: "POST", body: JSON.stringify(fault) });
  if (!answer.ok) throw new Error(`${engine.name} refuses the fault: ${await answer.text()}`);
}

async function resetRouter({ edgeUrl, adminKey, model }: Stack): Promise<void> {
  const answer = await fetch(`${edgeUrl}/admin/v1/models/${model}/reset`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminKey}` },
  });
  if (!answer.ok) throw new Error(`the router cannot be reset: ${answer.status} ${await answer.text()}`);
}
