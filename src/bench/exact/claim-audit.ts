import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { EngineAddress } from "../stack/engines.ts";
import { readClaims } from "../stack/router-view.ts";
import type { Stack } from "../stack/stack.ts";
import type { BlockLedger } from "./block-ledger.ts";

/** What the router claims of all pods, held against what their engines have. */
export type ClaimAudit = {
  readonly claims: number;
  /** Claimed, but a covering block is absent in the engine. */
  readonly falseClaims: number;
  /** Covered, but not claimed. */
  readonly unclaimed: number;
};

type PodAudit = { readonly claims: number; readonly false: ReadonlySet<string>; readonly unclaimed: number };

const blocksSchema = z.object({ blocks: z.array(z.tuple([z.string(), z.number()])) });

/** A claim is allowed to be on its way for this long: event, push and the router's turn. */
const SETTLING_MS = 400;

/**
 * Audits every pod's claims. A claim counts as false if it is so in two looks, a push or two apart: engines go on
 * evicting while they are looked at.
 */
export async function auditClaims(stack: Stack, ledgers: ReadonlyMap<string, BlockLedger>): Promise<ClaimAudit> {
  const first = await lookAtAll(stack, ledgers);
  if (first.every((pod) => pod.false.size === 0 && pod.unclaimed === 0)) return summed(first);
  await delay(SETTLING_MS);
  const second = await lookAtAll(stack, ledgers);
  return summed(
    second.map((pod, i) => ({ ...pod, false: new Set([...pod.false].filter((name) => first[i]?.false.has(name))) })),
  );
}

function summed(pods: readonly PodAudit[]): ClaimAudit {
  return {
    claims: pods.reduce((sum, { claims }) => sum + claims, 0),
    falseClaims: pods.reduce((sum, pod) => sum + pod.false.size, 0),
    unclaimed: pods.reduce((sum, { unclaimed }) => sum + unclaimed, 0),
  };
}

function lookAtAll(stack: Stack, ledgers: ReadonlyMap<string, BlockLedger>): Promise<PodAudit[]> {
  return Promise.all(stack.engines.map((engine) => lookAt(stack, engine, ledgers.get(engine.name))));
}

async function lookAt(stack: Stack, engine: EngineAddress, ledger: BlockLedger | undefined): Promise<PodAudit> {
  if (ledger === undefined) throw new Error(`nobody listens to the events of ${engine.name}`);
  const pod = `${stack.cluster}/default/${engine.name}/${new URL(engine.url).port}`;
  const [claims, answer] = await Promise.all([
    readClaims(stack.edgeUrl, stack.adminKey, stack.model, pod),
    fetch(`${engine.control}/sim/blocks`),
  ]);
  const { blocks } = blocksSchema.parse(await answer.json());
  const present = new Set(blocks.map(([hash]) => hash));
  await ledger.complete(present);
  const covered = ledger.coveredBy(present);
  const claimed = new Set(claims);
  return {
    claims: claimed.size,
    false: new Set(claims.filter((name) => !covered.has(name))),
    unclaimed: [...covered].filter((name) => !claimed.has(name)).length,
  };
}
