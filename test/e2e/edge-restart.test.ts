import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { exactModel } from "./exact-model.ts";
import { type LiveStack, MODEL, SECRETS, startStack } from "./live-stack.ts";

const viewSchema = z.object({
  confirmedClaims: z.number(),
  doubtedClaims: z.number(),
  leases: z.number(),
  pods: z.array(z.object({ id: z.string() })),
  storage: z.object({ heldOffMs: z.number(), failures: z.number(), savedMsAgo: z.number().optional() }),
});
const claimsSchema = z.object({ gpu: z.array(z.string()), host: z.array(z.string()) });

function callsTo(stack: LiveStack) {
  const admin = async (path: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${SECRETS.WARMPATH_ADMIN_KEY}` };
    return (await fetch(`${stack.edge.url}/admin/v1/${path}`, { headers })).json();
  };
  return {
    view: async () => viewSchema.parse(await admin(`models/${MODEL}`)),
    /** Confirmed segments by pod and tier. */
    claims: async () => {
      const { pods } = viewSchema.parse(await admin(`models/${MODEL}`));
      const found = pods.map(async ({ id }) => {
        const { gpu, host } = claimsSchema.parse(await admin(`claims?model=${MODEL}&pod=${encodeURIComponent(id)}`));
        return [id, { gpu: gpu.sort(), host: host.sort() }] as const;
      });
      return Object.fromEntries(await Promise.all(found));
    },
    ask: async (text: string) => {
      const answer = await fetch(`${stack.edge.url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${stack.apiKey}` },
        body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: text }], max_tokens: 8 }),
      });
      await answer.text();
      return {
        status: answer.status,
        pod: answer.headers.get("target-pod"),
        predictedTokens: Number(answer.headers.get("x-warmpath-match")?.split("/")[0]),
      };
    },
  };
}

/** Waits until the events of the last answers are claims: what is confirmed no longer changes. */
async function eventsArrived(view: () => Promise<{ confirmedClaims: number }>): Promise<void> {
  let before = -1;
  await vi.waitFor(
    async () => {
      const { confirmedClaims } = await view();
      const settled = confirmedClaims > 0 && confirmedClaims === before;
      before = confirmedClaims;
      expect(settled).toBe(true);
    },
    { timeout: 20_000, interval: 700 },
  );
}

describe("an edge that is killed", () => {
  let stack: LiveStack;
  beforeAll(async () => {
    stack = await startStack(await exactModel());
  });
  afterAll(() => stack?.stop());

  it("routes by what it stored, and confirms claims as its collector vouches for them", async () => {
    const { ask, claims, view } = callsTo(stack);
    const prompts = Array.from({ length: 6 }, (_, i) => `${i} ${"what about warm caches? ".repeat(80)}`);
    for (const prompt of prompts) await ask(prompt);
    await eventsArrived(view);
    const before = await claims();
    const [warm] = await Promise.all([ask(prompts[0] as string), eventsArrived(view)]);
    await stack.restartEdge();
    const first = await ask(prompts[0] as string);
    expect(first).toEqual({ status: 200, pod: warm.pod, predictedTokens: expect.any(Number) });
    expect(first.predictedTokens).toBeGreaterThan(200);
    await vi.waitFor(
      async () => {
        expect((await view()).doubtedClaims).toBe(0);
        expect(await claims()).toEqual(before);
      },
      { timeout: 20_000, interval: 200 },
    );
  });
});

/** A disk of 2 MB, where this machine lets us make one. */
function smallDisk(): { readonly folder: string; readonly remove: () => void } | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), "warmpath-disk-"));
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: "ignore" });
  try {
    run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder);
  } catch {
    // Not root, or not Linux.
    rmdirSync(folder);
    return undefined;
  }
  return {
    folder,
    remove: () => {
      run("umount", folder);
      rmdirSync(folder);
    },
  };
}

const disk = smallDisk();
afterAll(() => disk?.remove());

describe.skipIf(disk === undefined)("an edge whose disk is full", () => {
  let stack: LiveStack;
  beforeAll(async () => {
    stack = await startStack({ storageFolder: disk?.folder ?? "" });
  });
  afterAll(() => stack?.stop());

  it("goes on routing, writes nothing for a minute, and says so", async () => {
    const { ask, view } = callsTo(stack);
    expect((await ask("before")).status).toBe(200);
    await vi.waitFor(async () => expect((await view()).storage.savedMsAgo).toBeDefined(), { timeout: 10_000 });
    expect(() => writeFileSync(path.join(disk?.folder ?? "", "full"), Buffer.alloc(4_000_000))).toThrow("ENOSPC");
    const statuses: number[] = [];
    await vi.waitFor(
      async () => {
        statuses.push((await ask("while it is full")).status);
        const { storage } = await view();
        // Of the instance that the failed write brought: it has written nothing.
        expect(storage.savedMsAgo).toBeUndefined();
        expect(storage.failures).toBeGreaterThan(0);
        expect(storage.heldOffMs).toBeGreaterThan(0);
      },
      { timeout: 20_000, interval: 100 },
    );
    for (let i = 0; i < 20; i++) statuses.push((await ask("held off")).status);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    expect((await view()).pods).toHaveLength(2);
    await vi.waitFor(async () => expect((await view()).leases).toBe(0), { timeout: 20_000, interval: 100 });
  });
});
