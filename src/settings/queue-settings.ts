import * as z from "zod";

/** The defaults of what is left out are the router's (src/routing/routing-rules.ts); docs/queueing.md lists them. */

const milliseconds = z.number().int().min(1).optional();
const share = z.number().min(0).max(1).optional();
const whole = z.number().int().min(1).optional();

/** When a model's requests wait in the router for a pod with room. */
export const queueSchema = z.strictObject({
  /** False: every request is placed at once, however busy the pods are. */
  enabled: z.boolean().optional(),
  /** A pod with so many requests, running or waiting, takes no more. */
  mostInFlight: whole,
  /** Share of a pod's KV cache that requests in flight may fill. Above 1: what the engine is trusted to swap. */
  mostKvShare: z.number().gt(0).max(100).optional(),
  /** Prefill work ahead of a new request. */
  mostBacklogMs: milliseconds,
  /** Requests waiting at most. */
  mostWaiting: z.number().int().min(1).max(16_384).optional(),
  /** Whether requests wait for a first pod to come up, */
  holdWithoutPods: z.boolean().optional(),
  /** and how long at most. */
  holdWithoutPodsMs: z.number().int().min(1).max(600_000).optional(),
});

/** When a failing pod is left out, and how many requests may be tried again on another. */
export const healthSchema = z.strictObject({
  /** So many failures in a row leave a pod out; */
  consecutiveFailures: whole,
  /** so does this share of failures, */
  failureShare: z.number().gt(0).max(1).optional(),
  /** among at least so many requests, */
  leastRequests: whole,
  /** of the last while. */
  windowMs: milliseconds,
  /** For how long the first time; each further time twice as long, */
  ejectionMs: milliseconds,
  /** up to this. */
  mostEjectionMs: milliseconds,
  /** A pod in good health for so long has one of those times forgotten. */
  forgetMs: milliseconds,
  /** Share of the pods that may be out at once. 0: none ever is. */
  mostEjectedShare: share,
  /** A probe without a first token for this long is given up. */
  probeMs: milliseconds,
  /** Retries for each request of the last ten seconds, */
  retryShare: z.number().min(0).max(10).optional(),
  /** and so many a second whatever the traffic. */
  retriesPerSecond: z.number().min(0).max(100_000).optional(),
});
