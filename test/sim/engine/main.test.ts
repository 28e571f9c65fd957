import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { generate } from "./engine-client.ts";
import { askReplay } from "./kv-listener.ts";

const MAIN = fileURLToPath(new URL("../../../src/sim/engine/main.ts", import.meta.url));

const readySchema = z.strictObject({
  engines: z.array(
    z.strictObject({
      name: z.string(),
      url: z.string(),
      kvEvents: z.string().nullable(),
      kvReplay: z.string().nullable(),
      control: z.string(),
      epoch: z.uuid(),
    }),
  ),
});

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

interface Started {
  readonly child: ChildProcess;
  readonly ready: z.infer<typeof readySchema>;
}

function start(...args: string[]): { child: ChildProcess; output: () => string; exited: Promise<number | null> } {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) pipe?.setEncoding("utf8").on("data", (text) => (output += text));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, output: () => output, exited };
}

async function startReady(...args: string[]): Promise<Started & { exited: Promise<number | null> }> {
  const { child, output, exited } = start(...args);
  const ready = new Promise<void>((resolve) => {
    child.stdout?.on("data", () => {
      if (output().includes("\n")) resolve();
    });
  });
  await Promise.race([ready, exited]);
  const lines = output().split("\n");
  expect(lines.slice(1)).toEqual([""]);
  return { child, exited, ready: readySchema.parse(JSON.parse(lines[0] ?? "")) };
}

/** The first of so many free ports in a row. */
async function findFreePorts(count: number): Promise<number> {
  for (;;) {
    const servers: Server[] = [];
    try {
      const first = await listen(servers, 0);
      for (let offset = 1; offset < count; offset += 1) await listen(servers, first + offset);
      return first;
    } catch {
      // One of the row is taken: another row is tried.
    } finally {
      for (const server of servers) server.close();
    }
  }
}

async function listen(servers: Server[], port: number): Promise<number> {
  const server = createServer().listen(port, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

describe("the engine command", () => {
  it("says in one line where its engines are, serves, and ends on SIGTERM", async () => {
    const { child, ready, exited } = await startReady("--count", "2", "--served-name", "a", "b", "--time-scale", "20");
    expect(ready.engines.map(({ name }) => name)).toEqual(["engine-0", "engine-1"]);
    const ports = ready.engines.flatMap(({ url, kvEvents, kvReplay, control }) => [url, kvEvents, kvReplay, control]);
    expect(new Set(ports).size).toBe(8);
    for (const { url, kvReplay } of ready.engines) {
      const answer = await generate(`${url}/v1/chat/completions`, {
        model: "b",
        messages: [{ role: "user", content: "hi" }],
      });
      expect(answer.model).toBe("a");
      expect((await askReplay(kvReplay, 0)).length).toBeGreaterThan(1);
    }
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
  });

  it("takes its ports in a row from a base port, and publishes nothing without KV events", async () => {
    const base = await findFreePorts(4);
    const { ready } = await startReady("--base-port", String(base), "--no-kv-events");
    expect(ready.engines[0]).toMatchObject({
      url: `http://127.0.0.1:${base}`,
      kvEvents: null,
      kvReplay: null,
      control: `http://127.0.0.1:${base + 3}`,
    });
  });

  it("starts a hybrid model on an older server when told to", async () => {
    const { ready } = await startReady(
      "--hybrid",
      "window",
      "--window-tokens",
      "64",
      "--kv-tokens",
      "1600",
      "--no-render-routes",
    );
    const url = ready.engines[0]?.url ?? "";
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('num_gpu_blocks="200"');
    expect((await fetch(`${url}/v1/chat/completions/render`, { method: "POST", body: "{}" })).status).toBe(404);
  });

  it("fails with a reason when an option makes no sense", async () => {
    const { output, exited } = start("--block-tokens", "0");
    expect(await exited).toBe(1);
    expect(output()).toContain("blockTokens");
  });
});
