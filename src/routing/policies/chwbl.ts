import { type Candidate, type PolicyRequest, pickHighest } from "../policy.ts";
import { rendezvousWeight, textHash } from "../rendezvous.ts";
import { definePolicy } from "./definition.ts";

/**
 * Consistent hashing with bounded loads (Mirrokni et al. 2018), KubeAI's `PrefixHash`: the pod its key ranks first, unless
 * that has more than `loadFactor` times its share of all requests, (total + 1) / pods; then the next in the key's ranking
 * that has not. In-flight counts are the router's own, as there.
 *
 * The key is how the conversation begins: adapter and the first 100 characters of the first user message or of the prompt
 * (KubeAI skips the system prompt, which all requests may share). With `key: "session"` it is the session. Where that is
 * not known, the first segment of the prompt stands in, then nothing: the least loaded pod.
 *
 * KubeAI walks a ring of 256 points a pod; the ranking is by rendezvous hashing here (see consistent-hash.ts).
 */
export const chwbl = definePolicy("chwbl", { loadFactor: 1.25, key: "opening" }, ({ loadFactor, key }) => ({
  name: "chwbl",
  columns: ["rank", "inFlight", "bound"],
  decide(request, candidates, { random }) {
    const count = candidates.length;
    let total = 0;
    for (const { inFlight } of candidates) total += inFlight;
    const bound = ((total + 1) / count) * loadFactor;
    const hash = keyHash(request, key);
    const terms = new Float64Array(3 * count);
    const ranks = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const candidate = candidates[i] as Candidate;
      const rank = hash === undefined ? -candidate.inFlight : rendezvousWeight(hash, candidate.hash);
      terms.set([rank, candidate.inFlight, bound], 3 * i);
      ranks[i] = candidate.inFlight <= bound ? rank : Number.NEGATIVE_INFINITY;
    }
    // With a factor below 1 no pod may be within its bound: then the ranking alone holds.
    if (ranks.every((rank) => rank === Number.NEGATIVE_INFINITY))
      for (let i = 0; i < count; i++) ranks[i] = terms[3 * i] as number;
    return { chosen: pickHighest(ranks, random), terms };
  },
}));

function keyHash({ adapter, opening, session, firstSegment }: PolicyRequest, key: string): number | undefined {
  const text = key === "session" ? session : opening;
  if (text !== undefined) return textHash(`${adapter ?? ""}\n${text}`);
  return firstSegment;
}
