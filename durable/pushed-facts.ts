import { type ClusterName, podIdOf } from "../src/protocol/identifiers.ts";
import type { PodReport, ClaimChange as PushedClaim } from "../src/protocol/push-message.ts";
import type { ClaimChange } from "../src/routing/confirmed-claims.ts";
import type { PodFacts } from "../src/routing/pod.ts";

/** A reported pod as the router keeps it. */
export function factsOf(cluster: ClusterName, pod: PodReport): PodFacts {
  const { epoch, url, state, servedModels, capacityTokens, maxModelLen, blockTokens } = pod;
  const { mode, reason } = pod.index ?? { mode: "approximate" as const, reason: "not_reported" };
  const id = podIdOf(cluster, pod.name);
  return {
    id,
    cluster,
    epoch,
    url,
    state,
    servedModels,
    capacityTokens,
    maxModelLen,
    blockTokens,
    index: { mode, reason },
  };
}

/** A pushed claim as the router takes it. */
export function changeOf(claim: PushedClaim): ClaimChange {
  switch (claim.kind) {
    case "clear":
    case "restate":
    case "doubt":
      return { kind: claim.kind };
    case "store":
      return { kind: "store", tier: claim.tier, segments: wordsOf(claim.segments), tokens: wordsOf(claim.tokens) };
    case "remove":
      return { kind: "remove", segments: wordsOf(claim.segments) };
    case "check":
      return { kind: "check", gpu: claim.gpu, host: claim.host };
  }
}

/** Little-endian 32-bit words. Copied: what MessagePack or RPC hands over need not be aligned. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}
