import { type Candidate, requestsOn } from "../policy.ts";
import { definePolicy } from "./definition.ts";

/**
 * Two different pods at random, and of these the less loaded one; the first drawn where they are equal (Mitzenmacher's
 * two choices, as in AIBrix, vllm-router, SGLang's gateway and SMG).
 *
 * `load` is `requests`, the router's own leases and what the engine reports of others, or `kv`, the share of the KV cache
 * in use (SMG): where either of the two pods does not report it, requests are compared.
 */
export const powerOfTwo = definePolicy("power-of-two", { load: "requests" }, ({ load }) => ({
  name: "power-of-two",
  columns: ["load", "drawn"],
  decide(_request, candidates, { random }) {
    const first = Math.floor(random() * candidates.length);
    const others = candidates.length - 1;
    const offset = Math.floor(random() * others);
    const second = others === 0 ? first : offset + (offset >= first ? 1 : 0);
    const drawn = [first, second].map((i) => candidates[i] as Candidate);
    const byKv = load === "kv" && drawn.every(({ gauges }) => gauges?.kvUsage !== undefined);
    const loads = drawn.map((candidate) => (byKv ? (candidate.gauges?.kvUsage ?? 0) : requestsOn(candidate)));
    const terms = new Float64Array(2 * candidates.length);
    terms.set([loads[0] as number, 1], 2 * first);
    terms.set([loads[1] as number, 1], 2 * second);
    return { chosen: (loads[0] as number) <= (loads[1] as number) ? first : second, terms };
  },
}));
