import { randomStream } from "../../sim/engine/random-stream.ts";
import type { FleetCall } from "../../sim/fleet/workload.ts";
import type { FleetTrace, TimedCall } from "./fleet-calls.ts";

const UNIT_TOKENS = 64;
const SESSIONS = 300;
/** System prompt and tools, the same for every session of one of three applications. */
const APPLICATIONS = 3;
const SYSTEM_UNITS = 48;

/**
 * Sessions for runs without a trace: three applications with a system prompt each, documents and turns of log-normal
 * length, pauses of some seconds. Always the same.
 */
export function madeUpSessions(commonTokens: number): FleetTrace {
  const random = randomStream(1);
  const commonUnits = Math.floor(commonTokens / UNIT_TOKENS);
  const headUnits = Math.max(SYSTEM_UNITS, commonUnits);
  let idSpace = commonUnits > 0 ? headUnits : APPLICATIONS * headUnits;
  const sessions = Array.from({ length: SESSIONS }, (_, index) => {
    const application = commonUnits > 0 ? 0 : index % APPLICATIONS;
    const turns = 2 + Math.floor(random() * 18);
    const start = idSpace;
    let ownUnits = Math.ceil(logNormal(random, 4_000, 1) / UNIT_TOKENS);
    const timed: TimedCall[] = [];
    const lengths = Array.from({ length: turns }, () => {
      const units = ownUnits;
      const outputTokens = Math.ceil(logNormal(random, 250, 0.8));
      ownUnits += Math.ceil((outputTokens + logNormal(random, 400, 1)) / UNIT_TOKENS);
      return { units, outputTokens, thinkMs: Math.min(60_000, logNormal(random, 8_000, 1)) };
    });
    idSpace += ownUnits;
    let next: FleetCall | undefined;
    for (const { units, outputTokens, thinkMs } of lengths.toReversed()) {
      next = {
        promptTokens: (headUnits + units) * UNIT_TOKENS + 17,
        outputTokens,
        thinkMs,
        runs: Uint32Array.of(application * headUnits, headUnits, start, units),
        session: index,
        next,
      };
      timed.push({ call: next, atMs: 0 });
    }
    return timed.reverse();
  });
  return { unitTokens: UNIT_TOKENS, idSpace, kind: "closed", sessions };
}

function logNormal(random: () => number, median: number, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return median * Math.exp(sigma * normal);
}
