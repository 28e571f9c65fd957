import {
  type Candidate,
  type PolicyContext,
  type PolicyPlacement,
  type PolicyRequest,
  pickHighest,
} from "../policy.ts";
import { type PolicyMemory, remember } from "../policy-memory.ts";
import { rendezvousWeight, textHash } from "../rendezvous.ts";
import { definePolicy } from "./definition.ts";

const MOST_SESSIONS = 65_536;

/**
 * A session stays on its pod: AIBrix `session-affinity` (gateway plugin 0.7; the pin with a lifetime is of its #2742).
 *
 * A session seen within `pinS` goes to the pod it was last on, if that may take it; any other to the pod that ranks
 * highest for it by rendezvous hashing, so that routers without a common memory agree. Without a session any pod will
 * do. AIBrix's session id is the pod's address in base64, given out to clients; ours is whatever the client calls its
 * session, and no address leaves the edge.
 */
export const sessionAffinity = definePolicy("session-affinity", { pinS: 3_600 }, ({ pinS }) => ({
  name: "session-affinity",
  columns: ["affine"],
  scorer: {
    best: "highest",
    score(request, candidates, context, scores) {
      const affine = affinePod(request, candidates, context, pinS);
      for (let i = 0; i < scores.length; i++) scores[i] = i === affine ? 1 : 0;
    },
  },
  decide(request, candidates, context) {
    const affine = affinePod(request, candidates, context, pinS);
    const terms = new Float64Array(candidates.length);
    if (affine === undefined) return { chosen: Math.floor(context.random() * candidates.length), terms };
    terms[affine] = 1;
    return { chosen: affine, terms };
  },
  placed: pinSession,
}));

/** Remembers where a request's session went. */
export function pinSession({ request, chosen, nowMs }: PolicyPlacement, memory: PolicyMemory): void {
  if (request.session === undefined) return;
  remember(memory.sessions, request.session, { podId: chosen.id, atMs: nowMs }, MOST_SESSIONS);
}

/** The index of the candidate that a request's session was sent to within `pinS`. */
export function pinnedPod(
  { session }: PolicyRequest,
  candidates: readonly Candidate[],
  { memory, nowMs }: PolicyContext,
  pinS: number,
): number | undefined {
  const pin = session === undefined ? undefined : memory.sessions.get(session);
  if (pin === undefined || nowMs - pin.atMs > pinS * 1_000) return undefined;
  const index = candidates.findIndex(({ id }) => id === pin.podId);
  return index === -1 ? undefined : index;
}

function affinePod(
  request: PolicyRequest,
  candidates: readonly Candidate[],
  context: PolicyContext,
  pinS: number,
): number | undefined {
  if (request.session === undefined) return undefined;
  return pinnedPod(request, candidates, context, pinS) ?? highestRanked(textHash(request.session), candidates, context);
}

/** The candidate that a key ranks highest. */
export function highestRanked(key: number, candidates: readonly Candidate[], { random }: PolicyContext): number {
  const weights = new Float64Array(candidates.length);
  for (let i = 0; i < weights.length; i++) weights[i] = rendezvousWeight(key, (candidates[i] as Candidate).hash);
  return pickHighest(weights, random);
}
