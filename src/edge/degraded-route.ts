import type { ListedPod, RouteCall, RoutedRequest } from "../../durable/routing-rpc.ts";
import { rendezvous } from "./rendezvous.ts";

/**
 * How much of a prompt decides where it goes, in segments (4 KB by default). Deep enough to tell most system prompts
 * apart, and stable over the turns of a conversation.
 */
const KEY_SEGMENTS = 16;
const BYTES_PER_TOKEN = 4;

/** What a request is known by where no router is there to match its prefix. */
export type RouteKey = { readonly session: string | undefined; readonly random: () => number };

/**
 * Places a request without its router: by rendezvous hashing of the session, or else of the prompt's beginning, over
 * the pods last seen. The same conversation keeps its pod, in every isolate. Undefined if no pod serves the model.
 */
export function routeDegraded(
  call: RouteCall,
  pods: readonly ListedPod[],
  { session, random }: RouteKey,
): RoutedRequest | undefined {
  const serving = takingPods(call, pods);
  const ids = serving.map(({ id }) => id);
  const chosen = rendezvous(ids, session ?? prefixKey(call) ?? String(random()));
  const found = serving.find(({ id }) => id === chosen);
  if (found === undefined) return undefined;
  const { servedModels: _, ...pod } = found;
  const promptTokens = call.promptTokens ?? Math.ceil(call.promptBytes / BYTES_PER_TOKEN);
  return { ok: true, leaseId: `edge-${crypto.randomUUID()}`, pod, promptTokens, matchedTokens: 0 };
}

/** The pods that may take a call: serving its model, and not excluded. */
export function takingPods(call: RouteCall, pods: readonly ListedPod[]): ListedPod[] {
  return pods.filter(({ id, servedModels }) => {
    return servedModels.includes(call.model) && call.excludedPods?.includes(id) !== true;
  });
}

/** A segment's hash covers all before it: the one at the key's depth stands for the whole beginning. */
function prefixKey({ segments }: RouteCall): string | undefined {
  const last = Math.min(segments.length / 2, KEY_SEGMENTS) - 1;
  return last < 0 ? undefined : `${segments[2 * last]}-${segments[2 * last + 1]}`;
}
