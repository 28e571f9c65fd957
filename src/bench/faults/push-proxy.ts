import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What happens to a push on its way.
 * `refuse`: the edge never sees it, the sender reads 503. `cut`: the edge never sees it, the connection breaks.
 * `lose-reply`: the edge takes it, the connection breaks. `double`: the edge gets it twice, and the sender reads the first
 * reply. `hold`: the edge gets it right after the next push that it gets; its sender waits for the reply, or
 * (`sender: "cut"`) sees the connection break at once, as when something in between gives up on what is still on its way.
 * A sender that pushes one at a time needs the cut: else its next push comes when it has given up waiting.
 */
export type PushFault =
  | { readonly kind: "refuse" }
  | { readonly kind: "cut" }
  | { readonly kind: "lose-reply" }
  | { readonly kind: "double" }
  | { readonly kind: "hold"; readonly sender: "waits" | "cut" };

/** Pushes since the start. */
export type PushProxyCounts = {
  readonly received: number;
  /** Requests to the edge: a doubled push is two. */
  readonly forwarded: number;
  readonly struck: Readonly<Record<PushFault["kind"], number>>;
};

type Push = {
  readonly method: string;
  readonly path: string;
  /** Names and values by turns, as they came. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

type Reply = { readonly status: number; readonly rawHeaders: readonly string[]; readonly body: Buffer };

/** Stands between collectors and the edge, and strikes pushes as told. Bodies and headers go through as they came. */
export class PushProxy {
  readonly #edgeUrl: URL;
  // A connection for each push: one kept open could be closed by the edge just when a push goes out.
  readonly #agent = new Agent({ keepAlive: false });
  // Nor does the proxy itself ever close a sender's idle connection.
  readonly #server = createServer({ keepAliveTimeout: 0 }, (incoming, outgoing) => {
    this.#serve(incoming, outgoing).catch(() => {
      // The edge is out of reach or the sender has gone: either way the sender's connection is no more.
      outgoing.destroy();
    });
  });
  readonly #struck: Record<PushFault["kind"], number> = { refuse: 0, cut: 0, "lose-reply": 0, double: 0, hold: 0 };
  #faults: PushFault[] = [];
  #releases: (() => void)[] = [];
  #received = 0;
  #forwarded = 0;

  private constructor(edgeUrl: string) {
    this.#edgeUrl = new URL(edgeUrl);
  }

  /** Listens on 127.0.0.1, on a port the system chooses. */
  static async start(edgeUrl: string): Promise<PushProxy> {
    const proxy = new PushProxy(edgeUrl);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  /** What collectors take for the edge's URL. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get counts(): PushProxyCounts {
    return { received: this.#received, forwarded: this.#forwarded, struck: { ...this.#struck } };
  }

  /** The next `times` pushes that no fault waits for yet are struck by this one. */
  strikeNext(fault: PushFault, times = 1): void {
    for (let strike = 0; strike < times; strike++) this.#faults.push(fault);
  }

  /** Takes back what has not struck yet; pushes held back go out. */
  strikeNothing(): void {
    this.#faults = [];
    this.#releaseHeld();
  }

  /** Ends every connection; pushes held back are lost. Closing again does nothing. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "", url: path = "", rawHeaders } = incoming;
    const push: Push = { method, path, rawHeaders, body: await readBody(incoming) };
    this.#received++;
    const fault = this.#faults.shift();
    if (fault !== undefined) this.#struck[fault.kind]++;
    switch (fault?.kind) {
      case undefined:
        return this.#pass(push, outgoing);
      case "refuse":
        outgoing.writeHead(503, { "content-length": 0 }).end();
        return;
      case "cut":
        outgoing.destroy();
        return;
      case "lose-reply":
        await this.#forward(push);
        outgoing.destroy();
        return this.#releaseHeld();
      case "double": {
        const reply = await this.#forward(push);
        await this.#forward(push);
        send(outgoing, reply);
        return this.#releaseHeld();
      }
      case "hold":
        if (fault.sender === "cut") outgoing.destroy();
        await new Promise<void>((resolve) => this.#releases.push(resolve));
        send(outgoing, await this.#forward(push));
        return;
    }
  }

  /** The edge has answered before a push that was held back goes out, so that it is the later one there too. */
  async #pass(push: Push, outgoing: ServerResponse): Promise<void> {
    send(outgoing, await this.#forward(push));
    this.#releaseHeld();
  }

  #releaseHeld(): void {
    for (const release of this.#releases.splice(0)) release();
  }

  /** Sends a push to the edge. Rejects if the edge is out of reach. */
  async #forward({ method, path, rawHeaders, body }: Push): Promise<Reply> {
    this.#forwarded++;
    const { hostname, port } = this.#edgeUrl;
    const forwarded = request({ agent: this.#agent, host: hostname, port, method, path, headers: rawHeaders });
    forwarded.end(body);
    const [answer] = (await once(forwarded, "response")) as [IncomingMessage];
    return { status: answer.statusCode ?? 502, rawHeaders: answer.rawHeaders, body: await readBody(answer) };
  }
}

/** Answers the sender, if it is still there. */
function send(outgoing: ServerResponse, { status, rawHeaders, body }: Reply): void {
  if (outgoing.destroyed) return;
  outgoing.writeHead(status, [...rawHeaders]);
  outgoing.end(body);
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
