import { affinityFilter } from "./affinity-filter.ts";
import { type BlendMember, blendOf } from "./blend.ts";
import { cacheAware } from "./cache-aware.ts";
import { chwbl } from "./chwbl.ts";
import { consistentHash } from "./consistent-hash.ts";
import { fixedPolicy, type MadePolicy, type Parameters, type PolicyDefinition } from "./definition.ts";
import { kvCost } from "./kv-cost.ts";
import { leastBusyTime } from "./least-busy-time.ts";
import { leastKvCache } from "./least-kv-cache.ts";
import { leastLatency } from "./least-latency.ts";
import { leastLoad } from "./least-load.ts";
import { leastRequest } from "./least-request.ts";
import { leastUtilization } from "./least-utilization.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { prefixCache } from "./prefix-cache.ts";
import { prefixCachePreble } from "./prefix-cache-preble.ts";
import { random } from "./random.ts";
import { roundRobin } from "./round-robin.ts";
import { sessionAffinity } from "./session-affinity.ts";
import { skywalker } from "./skywalker.ts";
import { throughput } from "./throughput.ts";
import { withTtftGoal } from "./ttft-goal.ts";
import { vtcBasic } from "./vtc-basic.ts";
import { warmpath } from "./warmpath.ts";
import { weighted } from "./weighted.ts";

/** Every policy a client or an operator can name. A new policy is one file, one line here and its parameters in src/settings. */
export const POLICIES: readonly PolicyDefinition[] = [
  fixedPolicy(withTtftGoal(warmpath)),
  fixedPolicy(random),
  fixedPolicy(roundRobin),
  fixedPolicy(leastRequest),
  powerOfTwo,
  fixedPolicy(throughput),
  fixedPolicy(leastKvCache),
  fixedPolicy(leastBusyTime),
  fixedPolicy(leastLatency),
  leastUtilization,
  prefixCache,
  prefixCachePreble,
  vtcBasic,
  sessionAffinity,
  cacheAware,
  fixedPolicy(consistentHash),
  leastLoad,
  chwbl,
  weighted,
  affinityFilter,
  kvCost,
  skywalker,
];

const byName = new Map(POLICIES.map((definition) => [definition.name, definition]));

/** As in AIBrix. */
const MOST_WEIGHT = 1_000_000;

/**
 * The policy of a name with its parameters, or what is wrong. A name with a comma or colon is a blend,
 * `prefix-cache:2,least-request:1`: whole weights, 1 where none is given, and a member of weight 0 is left out. The
 * parameters of a blend are by member: `{"vtc-basic": {"windowS": 60}}`.
 */
export function policyNamed(name: string, parameters: Parameters = {}): MadePolicy {
  if (/[:,]/.test(name)) return namedBlend(name, parameters);
  const definition = byName.get(name);
  return definition === undefined ? unknown(name) : definition.make(parameters);
}

function namedBlend(name: string, parameters: Parameters): MadePolicy {
  const members: BlendMember[] = [];
  const named = new Set<string>();
  for (const entry of name.split(",")) {
    const [member = "", weightText = "1", ...rest] = entry.trim().split(":");
    const weight = Number(weightText);
    if (member === "" || rest.length > 0 || !/^\d+$/.test(weightText) || weight > MOST_WEIGHT) {
      return { ok: false, problem: `"${entry}" is not name or name:weight with a whole weight up to ${MOST_WEIGHT}` };
    }
    named.add(member);
    const made = policyNamed(member, memberParameters(parameters, member));
    if (!made.ok) return made;
    const { policy } = made;
    if (policy.scorer === undefined) return { ok: false, problem: `${member} cannot be part of a blend` };
    if (weight > 0) members.push({ policy, scorer: policy.scorer, weight });
  }
  const stray = Object.keys(parameters).find((member) => !named.has(member));
  if (stray !== undefined) return { ok: false, problem: `the blend has no member ${stray} to take parameters` };
  if (members.length === 0) return { ok: false, problem: "every weight of the blend is 0" };
  return { ok: true, policy: blendOf(name, members) };
}

function memberParameters(parameters: Parameters, member: string): Parameters {
  const given = Object.hasOwn(parameters, member) ? parameters[member] : undefined;
  return typeof given === "object" && given !== null ? (given as Parameters) : {};
}

function unknown(name: string): MadePolicy {
  return { ok: false, problem: `there is no policy ${name}` };
}

/** Names of all policies. */
export function policyNames(): string[] {
  return POLICIES.map(({ name }) => name);
}
