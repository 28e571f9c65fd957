import type { PodOutcome } from "./health/pod-outcome.ts";
import type { Pod } from "./pod.ts";

/** A request to be placed: hashes and lengths, never the prompt. */
export type RouteRequest = {
  /** The name the engine is asked for: base model, alias or adapter. */
  readonly model: string;
  /** Name of a policy, or a blend of several: `prefix-cache:2,least-request:1`. */
  readonly policy: string;
  /** The policy's parameters as JSON text, where they are not the defaults. */
  readonly policyParameters?: string | undefined;
  /** Hashes of the prompt's full segments, low and high words in turn. */
  readonly segments: Uint32Array;
  readonly segmentBytes: number;
  /** Bytes of the prompt's text, or undefined where only tokens are known. */
  readonly promptBytes: number;
  /** Length in tokens where the request itself tells (token-id prompts). */
  readonly promptTokens?: number | undefined;
  readonly choices: number;
  /** What policies may know beside the prompt (see policy.ts). */
  readonly adapter?: string | undefined;
  readonly session?: string | undefined;
  readonly user?: string | undefined;
  readonly opening?: string | undefined;
  readonly sloTtftMs?: number | undefined;
};

/** Why there is no pod for a request. */
export type RouteRefusal =
  | {
      readonly ok: false;
      readonly reason: "unknown_policy";
      readonly known: readonly string[];
      /** What is wrong with the name, the blend or the parameters. */
      readonly problem: string;
    }
  | { readonly ok: false; readonly reason: "no_endpoints"; readonly podsKnown: number };

/** A decision with every candidate's terms. `terms[i]` belongs to `candidates[i]`, its values to `columns`. */
export type DecisionRecord = {
  readonly policy: string;
  readonly chosen: string;
  readonly promptTokens: number;
  readonly matchedTokens: number;
  readonly matchedSegments: number;
  readonly columns: readonly string[];
  readonly candidates: readonly string[];
  readonly terms: readonly (readonly number[])[];
};

export type Placement = {
  readonly ok: true;
  readonly leaseId: string;
  readonly pod: Pod;
  readonly matchedTokens: number;
  readonly promptTokens: number;
  /** The whole record, made on demand: most requests never ask for it. */
  readonly record: () => DecisionRecord;
};

/** How a request ended, as its holder tells. */
export type LeaseOutcome = {
  readonly kind: "completed" | "failed" | "client_left";
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
  /** What the end says of the pod; absent where it says nothing. */
  readonly podOutcome?: PodOutcome | undefined;
};
