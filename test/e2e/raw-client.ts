import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { vi } from "vitest";
import type { LiveStack } from "./live-stack.ts";

/** A client on a socket of its own, which can leave or stop reading at any byte. */
export type RawClient = {
  /** Everything received so far, headers and chunk sizes included. */
  received(): string;
  /** Resolves once `text` was received. */
  sees(text: string): Promise<void>;
  /** Resolves when the edge has closed the connection or ended its answer. */
  ended(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Closes the connection, in order (FIN) or with a reset (RST). Resolves when this side is closed. */
  leave(how: "FIN" | "RST"): Promise<void>;
};

/** Connects and sends a request's bytes as they are. */
export async function rawClient(stack: LiveStack, request: string): Promise<RawClient> {
  const { hostname, port } = new URL(stack.edge.url);
  const socket: Socket = connect(Number(port), hostname);
  await once(socket, "connect");
  let received = "";
  let closed = false;
  socket.on("error", () => {
    // The edge may close first; either way the connection is over.
  });
  socket.on("close", () => {
    closed = true;
  });
  socket.on("data", (bytes: Buffer) => {
    received += bytes.toString("latin1");
  });
  socket.write(request);
  return {
    received: () => received,
    sees: (text) =>
      vi.waitFor(
        () => {
          if (!received.includes(text)) throw new Error(`received only: ${received.slice(-500)}`);
        },
        { timeout: 20_000, interval: 20 },
      ),
    ended: () =>
      vi.waitFor(
        () => {
          if (!closed && !received.endsWith("\r\n0\r\n\r\n")) throw new Error(`open after: ${received.slice(-500)}`);
        },
        { timeout: 40_000, interval: 20 },
      ),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    leave: async (how) => {
      const gone = once(socket, "close");
      if (how === "RST") socket.resetAndDestroy();
      else socket.destroy();
      await gone;
    },
  };
}

/** The bytes of a chat request. */
export function chatRequest(stack: LiveStack, body: object): string {
  const text = JSON.stringify(body);
  return `${requestHead(stack, Buffer.byteLength(text))}${text}`;
}

/** The head of a chat request that announces a body of so many bytes. */
export function requestHead(stack: LiveStack, contentLength: number): string {
  return (
    "POST /v1/chat/completions HTTP/1.1\r\nhost: edge\r\n" +
    `authorization: Bearer ${stack.apiKey}\r\ncontent-length: ${contentLength}\r\n\r\n`
  );
}
