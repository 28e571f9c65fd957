import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { HttpRequests } from "../../src/collector/http-requests.ts";

const http = new HttpRequests();
let server: Server | undefined;

afterEach(async () => {
  http.close();
  server?.closeAllConnections();
  server?.close();
  if (server !== undefined) await once(server, "close");
  server = undefined;
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function get(url: string, options: { timeoutMs?: number; mostBytes?: number; signal?: AbortSignal } = {}) {
  const { timeoutMs = 10_000, mostBytes = 1000, signal = new AbortController().signal } = options;
  return http.send({ method: "GET", url, headers: {}, timeoutMs, mostBytes, signal });
}

describe("HttpRequests", () => {
  it("sends method, path, headers and body, and gives back status, headers and text", async () => {
    const url = await serve(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { method, url: path, headers } = request;
      const seen = [method, path, headers["x-a"], headers["content-length"], Buffer.concat(chunks).toString()];
      response.writeHead(418, { "X-B": "2" }).end(seen.join(" "));
    });
    const { signal } = new AbortController();
    const answer = await http.send({
      ...{ method: "POST", url: `${url}/a%2Fb?c`, headers: { "x-a": "1" }, body: new TextEncoder().encode("ü") },
      ...{ timeoutMs: 10_000, mostBytes: 1000, signal },
    });
    expect(answer).toMatchObject({ ok: true, status: 418, text: "POST /a%2Fb?c 1 2 ü" });
    expect(answer.ok && [answer.header("x-b"), answer.header("x-c")]).toEqual(["2", undefined]);
  });

  it("uses a connection again", async () => {
    const url = await serve((_, response) => response.end("ok"));
    let connections = 0;
    server?.on("connection", () => connections++);
    for (let n = 0; n < 3; n++) expect(await get(url)).toMatchObject({ ok: true });
    expect(connections).toBe(1);
  });

  it("follows no redirect", async () => {
    const url = await serve((_, response) => response.writeHead(302, { location: "/elsewhere" }).end());
    expect(await get(url)).toMatchObject({ ok: true, status: 302 });
  });

  it("takes a body of as many bytes as it may and none that is longer", async () => {
    const url = await serve((_, response) => response.end("x".repeat(1000)));
    expect(await get(url)).toMatchObject({ ok: true });
    expect(await get(url, { mostBytes: 999 })).toMatchObject({ ok: false, fault: { reason: "too_large" } });
  });

  it.each([
    ["headers", () => undefined],
    ["the rest of the body", (response: { write(text: string): unknown }) => response.write("half")],
  ])("waits for %s no longer than it may, and lets go of the connection", async (_, answer) => {
    const url = await serve((__, response) => void answer(response));
    const closed = new Promise((resolve) => server?.on("connection", (socket) => socket.once("close", resolve)));
    expect(await get(url, { timeoutMs: 30 })).toMatchObject({ ok: false, fault: { reason: "timeout" } });
    await closed;
  });

  it("ends with its signal, be it before or while it waits", async () => {
    const abort = new AbortController();
    const url = await serve((_, response) => {
      response.write("half");
      abort.abort();
    });
    for (let n = 0; n < 2; n++) {
      expect(await get(url, { signal: abort.signal })).toMatchObject({ ok: false, fault: { reason: "closed" } });
    }
  });

  it.each<[string, RequestListener]>([
    ["a connection closed without an answer", (_, response) => response.socket?.destroy()],
    [
      "a body that breaks off",
      (_, response) => {
        response.writeHead(200, { "content-length": "10" }).write("half", () => response.socket?.destroy());
      },
    ],
    ["what is no HTTP", (_, response) => response.socket?.end("SSH-2.0\r\n")],
    [
      "a switch to another protocol",
      (_, response) => response.socket?.end("HTTP/1.1 101 \r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    ],
  ])("calls %s a fault of the network", async (_, listener) => {
    expect(await get(await serve(listener))).toMatchObject({ ok: false, fault: { reason: "network" } });
  });

  it("says why nobody can be reached", async () => {
    const url = await serve(() => undefined);
    server?.close();
    const refused = { reason: "network", message: expect.stringContaining("ECONNREFUSED") };
    expect(await get(url)).toMatchObject({ ok: false, fault: refused });
  });

  it("does not throw for what cannot be sent", async () => {
    const { signal } = new AbortController();
    const request = { method: "GET", url: "http://127.0.0.1:9", timeoutMs: 1000, mostBytes: 1000, signal } as const;
    const headers = { authorization: "Bearer two\nlines" };
    expect(await http.send({ ...request, headers })).toMatchObject({ ok: false, fault: { reason: "network" } });
    expect(await get("not a URL")).toMatchObject({ ok: false, fault: { reason: "network" } });
  });
});
