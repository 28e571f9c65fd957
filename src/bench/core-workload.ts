import type { RouteRequest } from "../routing/placement.ts";
import type { PodFacts } from "../routing/pod.ts";
import type { PodClaimChange, ReportedPush } from "../routing/pod-registry.ts";
import type { Random } from "../routing/random.ts";

/** Pods, prompts and pushes for the core bench: as much as a deployment has, without any of its text. */

export const SEGMENT_BYTES = 256;
const SEGMENT_TOKENS = 64;
/** Every prompt begins with one of these shared system prompts. */
const SYSTEM_PROMPTS = 3;
const SYSTEM_SEGMENTS = 24;

/** A pod with room for all the bench stores. */
export function factsOf(index: number): PodFacts {
  return {
    id: `local/default/pod-${String(index).padStart(4, "0")}/8000`,
    cluster: "local",
    epoch: "1",
    url: "http://10.0.0.1:8000",
    state: "ready",
    servedModels: ["m"],
    capacityTokens: 2_000_000,
    blockTokens: 16,
    index: { mode: "exact" },
  };
}

/** Prompts for the pods in turn, as many as make `pairs` distinct pairs of segment and pod. */
export function promptsOf(pairs: number, segments: number, pods: number, random: Random): Uint32Array[] {
  const prompts: Uint32Array[] = [];
  const shared = Math.min(segments, SYSTEM_SEGMENTS);
  const known = new Set<string>();
  for (let stored = 0; stored < pairs; ) {
    const system = Math.floor(random() * SYSTEM_PROMPTS) + 1;
    const holding = `${prompts.length % pods} ${system}`;
    stored += segments - (known.has(holding) ? shared : 0);
    known.add(holding);
    prompts.push(promptOf(segments, system, random));
    if (shared === segments && known.size === pods * SYSTEM_PROMPTS) break;
  }
  return prompts;
}

function promptOf(segments: number, system: number, random: Random): Uint32Array {
  const words = new Uint32Array(2 * segments);
  for (let i = 0; i < segments; i++) {
    const shared = i < SYSTEM_SEGMENTS;
    words[2 * i] = shared ? Math.imul(system * 1_000 + i, 2_654_435_761) : random() * 2 ** 32;
    words[2 * i + 1] = shared ? i : random() * 2 ** 32;
  }
  return words;
}

/** Segments of a prompt that are not of its last turn: all but a sixteenth. */
export function oldSegmentsOf(prompt: Uint32Array): number {
  return prompt.length / 2 - Math.ceil(prompt.length / 32);
}

/** The prompt with another last turn. */
export function withNewTail(prompt: Uint32Array, random: Random): Uint32Array {
  const next = prompt.slice();
  for (let i = 2 * oldSegmentsOf(prompt); i < next.length; i++) next[i] = random() * 2 ** 32;
  return next;
}

/** The request that has this prompt. */
export function requestOf(segments: Uint32Array): RouteRequest {
  const promptBytes = segments.length * (SEGMENT_BYTES / 2) + 100;
  return { model: "m", policy: "warmpath", segments, segmentBytes: SEGMENT_BYTES, promptBytes, choices: 1 };
}

/** The change by which a pod's collector tells that the pod holds a prompt from segment `first` on. */
export function storeOf(pod: PodFacts, prompt: Uint32Array, first = 0): PodClaimChange {
  const segments = prompt.subarray(2 * first);
  const tokens = Uint32Array.from({ length: segments.length / 2 }, (_, i) => (first + i + 1) * SEGMENT_TOKENS);
  return { podId: pod.id, epoch: pod.epoch, change: { kind: "store", tier: "gpu", segments, tokens } };
}

/** A collector's push: all pods, and these changes. */
export function pushOf(facts: readonly PodFacts[], claims: readonly PodClaimChange[], sequence: number): ReportedPush {
  return { source: "bench", instance: "one", sequence, pods: facts.map((each) => ({ facts: each })), claims };
}

/** The items in arrays of `size`, the last one shorter. */
export function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
