import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { ClaimChurn } from "../checkpoint/claim-churn.ts";
import { chatBodies } from "../proxy/request-bodies.ts";
import { startWarmpathTarget, type WarmpathTarget } from "../proxy/warmpath-target.ts";
import { progress } from "../report/progress.ts";
import type { Column } from "../report/table.ts";
import { startChild } from "../stack/child-process.ts";
import { waitUntil } from "../stack/wait-until.ts";

const UPSTREAM_SCRIPT = fileURLToPath(new URL("../proxy/upstream-process.ts", import.meta.url));
const MODEL = "qwen3-8b";
const PODS = 100;
const CLAIMS = 1_000_000;
/** Little enough for every pod's row to be written anew between two kills. */
const CHANGES_PER_S = 1_000;
const FILLED_WITHIN_MS = 60_000;
/** A pod's claims are stored within about a minute. */
const STORED_WITHIN_MS = 75_000;
const ASK_EVERY_MS = 5;
const MOST_FIRST_ANSWER_MS = 1_000;
const LEAST_CLAIMS_KEPT = 0.95;

/** What a SIGKILL of the whole edge costs a router of 100 pods and a million claims. */
export type RestartRow = {
  readonly pods: number;
  readonly claims: number;
  /** From the start of the new process, and from the moment when it listens, to the end of the first answer. */
  readonly firstAnswerMs: number;
  readonly firstAnswerFromListeningMs: number;
  /** What the router knew right after that answer. */
  readonly podsAfter: number;
  readonly claimsAfter: number;
  /** Of those, confirmed by the pods' collectors; the others still guide as guesses. */
  readonly confirmedAfter: number;
};

/** The table for people. */
export const RESTART_COLUMNS: readonly Column<RestartRow>[] = [
  { title: "pods", value: ({ pods }) => pods },
  { title: "claims", value: ({ claims }) => claims },
  { title: "first answer ms", value: ({ firstAnswerMs }) => firstAnswerMs },
  { title: "of that listening", value: ({ firstAnswerFromListeningMs }) => firstAnswerFromListeningMs },
  { title: "pods known then", value: ({ podsAfter }) => podsAfter },
  { title: "claims known then", value: ({ claimsAfter }) => claimsAfter },
  { title: "of them confirmed", value: ({ confirmedAfter }) => confirmedAfter },
];

/** A line for each restart that took longer than a second, or lost what was stored. */
export function slowRestarts(rows: readonly RestartRow[]): string[] {
  return rows.flatMap(({ pods, claims, firstAnswerMs, podsAfter, claimsAfter }) => [
    ...(firstAnswerMs > MOST_FIRST_ANSWER_MS ? [`the first answer came ${firstAnswerMs} ms after a restart`] : []),
    ...(podsAfter < pods ? [`${pods - podsAfter} of ${pods} pods were lost by a restart`] : []),
    ...(claimsAfter < LEAST_CLAIMS_KEPT * claims ? [`${claims - claimsAfter} of ${claims} claims were lost`] : []),
  ]);
}

/** Kills the edge `times` times under a light load and looks how soon the next one answers, and with what knowledge. */
export async function runRestarts(folder: string, times: number, signal: AbortSignal): Promise<RestartRow[]> {
  const stops: (() => Promise<void>)[] = [];
  try {
    progress(`restarts: telling a router of ${PODS} pods ${CLAIMS} claims ...`);
    const upstream = startChild({ name: "upstream", args: [UPSTREAM_SCRIPT], env: {}, onCrash: () => undefined });
    stops.push(upstream.child.stop);
    const { url: upstreamUrl } = z.object({ url: z.string() }).parse(JSON.parse(await upstream.firstLine));
    const churn = new ClaimChurn(PODS, CLAIMS, CHANGES_PER_S);
    const target = await startWarmpathTarget({
      folder: path.join(folder, "restart"),
      model: MODEL,
      pods: PODS,
      upstreamUrl,
      claims: () => churn.take(performance.now()),
    });
    stops.push(target.stop);
    if (!(await waitUntil(async () => churn.isFull, FILLED_WITHIN_MS, signal)))
      throw new Error("the index did not fill");
    const rows: RestartRow[] = [];
    for (let i = 0; i < times; i++) {
      progress(`restart ${i + 1} of ${times}: waiting until the claims are stored ...`);
      await delay(STORED_WITHIN_MS, undefined, { signal });
      rows.push(await restart(target));
    }
    return rows;
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function restart(target: WarmpathTarget): Promise<RestartRow> {
  const before = await target.figures();
  const body = chatBodies(MODEL, { bodyKb: 2, messages: 2 }, false)[0] as string;
  const { startedAtMs, listeningAtMs } = await target.restart();
  while (!(await isAnswered(target, body))) await delay(ASK_EVERY_MS);
  const answeredAtMs = performance.now();
  const after = await target.figures();
  return {
    pods: before.pods.length,
    claims: before.confirmedClaims + before.doubtedClaims,
    firstAnswerMs: Math.round(answeredAtMs - startedAtMs),
    firstAnswerFromListeningMs: Math.round(answeredAtMs - listeningAtMs),
    podsAfter: after.pods.length,
    claimsAfter: after.confirmedClaims + after.doubtedClaims,
    confirmedAfter: after.confirmedClaims,
  };
}

async function isAnswered({ url, apiKey }: WarmpathTarget, body: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body });
  await answer.arrayBuffer();
  return answer.status === 200 && answer.headers.get("x-warmpath-degraded") === null;
}
