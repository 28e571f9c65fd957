import { WHOLE_ANSWER_END } from "../proxy/canned-answers.ts";
import { LoadConnection } from "../proxy/load-connection.ts";
import type { LatencyPair } from "./checkpoint-row.ts";

/** An edge to send requests to. */
export type TimedEdge = { readonly url: string; readonly apiKey: string };

/**
 * Sends one request after the other for a while, to the two edges in turn, each on a connection of its own. So both
 * see the same machine at the same time. Rejects at an answer that is not whole.
 */
export async function requestsInTurn(
  edges: { readonly on: TimedEdge; readonly off: TimedEdge },
  bodies: readonly string[],
  seconds: number,
  signal: AbortSignal,
): Promise<LatencyPair> {
  const pair = { on: [] as number[], off: [] as number[] };
  const lines = { on: new Line(edges.on, bodies), off: new Line(edges.off, bodies) };
  try {
    const untilMs = performance.now() + 1_000 * seconds;
    for (let turn = 0; performance.now() < untilMs; turn++) {
      signal.throwIfAborted();
      // Who is second finds the machine warm: that falls to both alike.
      for (const name of turn % 2 === 0 ? (["on", "off"] as const) : (["off", "on"] as const)) {
        pair[name].push(await lines[name].timeMs(turn));
      }
    }
    return pair;
  } finally {
    lines.on.close();
    lines.off.close();
  }
}

/** A connection with the requests that go over it. */
class Line {
  readonly #connection: LoadConnection;
  readonly #requests: readonly Buffer[];

  constructor({ url, apiKey }: TimedEdge, bodies: readonly string[]) {
    const { hostname, port, host } = new URL(url);
    this.#connection = new LoadConnection(hostname, Number(port));
    this.#requests = bodies.map((body) => {
      const payload = Buffer.from(body, "utf8");
      const head = [
        "POST /v1/chat/completions HTTP/1.1",
        `host: ${host}`,
        "content-type: application/json",
        `content-length: ${payload.byteLength}`,
        `authorization: Bearer ${apiKey}`,
      ];
      return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), payload]);
    });
  }

  async timeMs(turn: number): Promise<number> {
    const sentMs = performance.now();
    const response = await this.#connection.send(this.#requests[turn % this.#requests.length] as Buffer);
    if (response?.status !== 200 || !response.tail.endsWith(WHOLE_ANSWER_END)) {
      throw new Error(`a request was answered ${response?.status ?? "not at all"}`);
    }
    return performance.now() - sentMs;
  }

  close(): void {
    this.#connection.close();
  }
}
