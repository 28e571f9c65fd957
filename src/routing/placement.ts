import type { PodOutcome } from "./health/pod-outcome.ts";
import type { Pod } from "./pod.ts";
import type { QueueRefusal } from "./queue/queued-request.ts";

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
  readonly origin?: string | undefined;
  /** Whom the queue counts it for: the API key's id. */
  readonly key?: string | undefined;
  /** Larger leaves the queue first; 0 where none is given. */
  readonly priority?: number | undefined;
  /** The key's share beside others; 1 where none is given. */
  readonly weight?: number | undefined;
  /** Within what time the first byte of its answer has to come, from now on. */
  readonly deadlineMs?: number | undefined;
  /** Its answer comes as it is made, not whole at the end. */
  readonly streamed?: boolean | undefined;
  /** Longest answer the client allows, in tokens. */
  readonly mostOutputTokens?: number | undefined;
  /** Its placement is to bring the decision's record. */
  readonly explain?: boolean | undefined;
  /** Ids of pods that failed it before, under a lease that is gone. */
  readonly excludedPods?: readonly string[] | undefined;
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
  | { readonly ok: false; readonly reason: "no_endpoints"; readonly podsKnown: number }
  /** Too many requests were moved lately: the failure is to be passed on. */
  | { readonly ok: false; readonly reason: "retry_budget" }
  /** The queue does not take it, or it waited there until its deadline. */
  | { readonly ok: false; readonly reason: QueueRefusal | "waited_too_long"; readonly retryAfterMs: number };

/** The request waits for a pod. It leaves the queue by itself, or when its client does (`abandon`). */
export type HeldRequest = {
  readonly ok: false;
  readonly reason: "held";
  readonly heldId: string;
  /** How long that is expected to take. */
  readonly waitMs: number;
  /** Pods that the router knows, fit or not; 0: it has just lost them, or there are none. */
  readonly podsKnown: number;
};

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
  /** Where the request asked for it. */
  readonly record?: DecisionRecord | undefined;
};

/** Asked of a request that might leave its pod. */
export type MoveQuestion = { readonly model: string; readonly excludedPods: readonly string[] };

/** How a request ended, as its holder tells. */
export type LeaseOutcome = {
  readonly kind: "completed" | "failed" | "client_left";
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
  /** What the end says of the pod; inferred from `kind` where absent. */
  readonly podOutcome?: PodOutcome | undefined;
};
