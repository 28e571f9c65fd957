import { type Candidate, type Policy, pickHighest } from "../policy.ts";
import { rendezvousWeight, textHash } from "../rendezvous.ts";

/**
 * The same pod for the same key, whatever its load (`consistent_hashing` of SMG, `consistent_hash` and
 * `rendezvous_hash` of vllm-router). The key is the request's session, else its user; a request with neither goes to
 * any pod. vllm-router also takes request ids for keys, which silently ends all affinity.
 *
 * Rendezvous hashing keeps what their rings of 150 or 160 virtual nodes promise, more evenly and without a ring: a pod that
 * goes moves only its own keys, and they spread over all others (vllm-router sends every one of them to the first pod).
 */
export const consistentHash: Policy = {
  name: "consistent-hash",
  columns: ["rank"],
  decide(request, candidates, { random }) {
    const ranks = new Float64Array(candidates.length);
    const text = request.session ?? request.user;
    if (text === undefined) return { chosen: Math.floor(random() * candidates.length), terms: ranks };
    const key = textHash(text);
    for (let i = 0; i < ranks.length; i++) ranks[i] = rendezvousWeight(key, (candidates[i] as Candidate).hash);
    return { chosen: pickHighest(ranks, random), terms: ranks };
  },
};
