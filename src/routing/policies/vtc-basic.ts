import { type Candidate, requestsOn } from "../policy.ts";
import { type PolicyMemory, type PolicyMemoryView, remember } from "../policy-memory.ts";
import { addToWindow, newSlidingWindow, windowSum } from "../sliding-window.ts";
import { definePolicy } from "./definition.ts";
import { scoredPolicy } from "./scored-policy.ts";

const WINDOW_SLOTS = 10;
const MOST_USERS = 1_024;
/** An answer is expected to be so many times as long as its prompt, until it is known. */
const ANSWER_RATIO = 1.5;
const LEAST_BUCKET_TOKENS = 1_000;
/** Keeps equal pods from being taken in the order of their ids. */
const JITTER = 0.1;

/**
 * Spreads users over pods by how much they have been served: AIBrix `vtc-basic` (gateway plugin 0.7), after the virtual
 * token counter of Sheng et al. 2024. Tokens count `inputWeight` and `outputWeight`, over a window.
 *
 *     bucket = max(1000, (least + most tokens of active users) / 2)
 *     score  = fairnessWeight x |pod's index - min(user's tokens / bucket, pods - 1)|
 *            + utilizationWeight x min(requests / mostRequests, 1) + U[0, 0.1)
 *
 * A request without a user goes to any pod. AIBrix indexes a freshly shuffled list, so its users have no pods of their
 * own; here the index is the pod's place in the order of ids. AIBrix charges estimates and leaves them; here they are
 * corrected by the usage the engine reports.
 */
export const vtcBasic = definePolicy(
  "vtc-basic",
  {
    windowS: 300,
    inputWeight: 1,
    outputWeight: 2,
    fairnessWeight: 1,
    utilizationWeight: 1,
    mostRequests: 100,
    leastTokens: 1_000,
    mostTokens: 8_000,
  },
  (parameters) => {
    const { inputWeight, outputWeight, fairnessWeight, utilizationWeight, mostRequests } = parameters;
    const weighted = (input: number, output: number) => inputWeight * input + outputWeight * output;
    const estimate = (promptTokens: number) => weighted(promptTokens, Math.ceil(ANSWER_RATIO * promptTokens));
    const charge = (user: string | undefined, tokens: number, nowMs: number, memory: PolicyMemory) => {
      if (user === undefined) return;
      const slotMs = (parameters.windowS * 1_000) / WINDOW_SLOTS;
      const known = memory.servedTokens.get(user);
      const served = known?.slotMs === slotMs ? known : newSlidingWindow(slotMs * WINDOW_SLOTS, WINDOW_SLOTS);
      addToWindow(served, tokens, nowMs);
      remember(memory.servedTokens, user, served, MOST_USERS);
    };
    return scoredPolicy({
      name: "vtc-basic",
      column: "score",
      best: "lowest",
      score({ user }, candidates, { memory, nowMs, random }, scores) {
        const bucket = bucketTokens(memory, nowMs, parameters);
        const served = user === undefined ? undefined : memory.servedTokens.get(user);
        const tokens = served === undefined ? 0 : windowSum(served, nowMs);
        const place = Math.min(tokens / bucket, scores.length - 1);
        for (let i = 0; i < scores.length; i++) {
          const utilization = Math.min(requestsOn(candidates[i] as Candidate) / Math.max(1, mostRequests), 1);
          const fairness = Math.abs(i - place);
          const jitter = JITTER * random();
          scores[i] =
            user === undefined ? jitter : fairnessWeight * fairness + utilizationWeight * utilization + jitter;
        }
      },
      placed: ({ request, nowMs }, memory) => charge(request.user, estimate(request.promptTokens), nowMs, memory),
      settled({ request, promptTokens, completionTokens, nowMs }, memory) {
        const charged = estimate(request.promptTokens);
        charge(request.user, weighted(promptTokens, completionTokens) - charged, nowMs, memory);
      },
    });
  },
);

function bucketTokens(
  memory: PolicyMemoryView,
  nowMs: number,
  { leastTokens, mostTokens }: { readonly leastTokens: number; readonly mostTokens: number },
): number {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const served of memory.servedTokens.values()) {
    const tokens = windowSum(served, nowMs);
    if (tokens <= 0) continue;
    least = Math.min(least, tokens);
    most = Math.max(most, tokens);
  }
  if (most === 0) return Math.max(LEAST_BUCKET_TOKENS, (leastTokens + mostTokens) / 2);
  return Math.max(LEAST_BUCKET_TOKENS, (least + most) / 2);
}
