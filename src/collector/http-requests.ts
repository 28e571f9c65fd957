import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from "node:http";

// Not imported: an import statement reads all exports of `node:http`, one of which loads Node's whole fetch (14 MB).
const http = process.getBuiltinModule("node:http");

/** Connections are given up before the servers do so: uvicorn closes idle ones after 5 s and does not say so. */
const IDLE_MS = 4_000;

export type HttpRequest = {
  readonly method: "GET" | "POST";
  /** http or https. */
  readonly url: string | URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** For all of it, the answer's body included. */
  readonly timeoutMs: number;
  /** Of the answer's body. */
  readonly mostBytes: number;
  /** Aborts the request. */
  readonly signal: AbortSignal;
};

export type HttpFault = {
  /** `closed`: the signal aborted it. */
  readonly reason: "timeout" | "network" | "too_large" | "closed";
  readonly message: string;
};

/** An answer with its whole body, whatever the status; redirects are answers like others. */
export type HttpAnswer =
  | {
      readonly ok: true;
      readonly status: number;
      /** By its name in lower case. */
      readonly header: (name: string) => string | undefined;
      /** Read as UTF-8. */
      readonly text: string;
    }
  | { readonly ok: false; readonly fault: HttpFault };

/** HTTP requests over connections that are kept for the next one. */
export class HttpRequests {
  readonly #plain = new http.Agent({ keepAlive: true, timeout: IDLE_MS });
  /** Made with the first https request: many a collector never makes one. */
  #secure: HttpAgent | undefined;

  /** Never rejects. */
  send(request: HttpRequest): Promise<HttpAnswer> {
    const { timeoutMs, signal } = request;
    if (signal.aborted) return Promise.resolve(fault("closed", "aborted"));
    return new Promise((resolve) => {
      let sent: ClientRequest | undefined;
      let isSettled = false;
      const settle = (answer: HttpAnswer): void => {
        if (isSettled) return;
        isSettled = true;
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        resolve(answer);
        // What comes after a fault is of no use, and its connection not fit for another request.
        if (!answer.ok) sent?.destroy();
      };
      const abort = (): void => settle(fault("closed", "aborted"));
      const timer = setTimeout(() => settle(fault("timeout", `took longer than ${timeoutMs} ms`)), timeoutMs);
      signal.addEventListener("abort", abort);
      try {
        sent = this.#start(request);
      } catch (error) {
        settle(fault("network", describe(error)));
        return;
      }
      sent.on("error", (error) => settle(fault("network", describe(error))));
      // Without an answer and an error: the server switched to another protocol.
      sent.on("close", () => settle(fault("network", "the connection was closed")));
      sent.on("response", (response) => readAnswer(response, request.mostBytes, settle));
      sent.end(request.body);
    });
  }

  /** Ends all connections. */
  close(): void {
    this.#plain.destroy();
    this.#secure?.destroy();
  }

  #start({ method, url, headers, body }: HttpRequest): ClientRequest {
    const target = new URL(url);
    const options = {
      method,
      headers: {
        // Some proxies turn away who names no program.
        "user-agent": "warmpath-collector",
        accept: "*/*",
        "accept-encoding": "identity",
        ...(body !== undefined && { "content-length": String(Buffer.byteLength(body)) }),
        ...headers,
      },
    };
    if (target.protocol !== "https:") return http.request(target, { ...options, agent: this.#plain });
    const https = process.getBuiltinModule("node:https");
    this.#secure ??= new https.Agent({ keepAlive: true, timeout: IDLE_MS });
    return https.request(target, { ...options, agent: this.#secure });
  }
}

function readAnswer(response: IncomingMessage, mostBytes: number, settle: (answer: HttpAnswer) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > mostBytes) settle(fault("too_large", `the answer is over ${mostBytes} bytes`));
    else chunks.push(chunk);
  });
  response.on("error", (error) => settle(fault("network", describe(error))));
  response.on("end", () => {
    const text = new TextDecoder().decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    settle({ ok: true, status: response.statusCode ?? 0, header: (name) => headerOf(response, name), text });
  });
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** Where each of a name's addresses failed, only the code says how. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ("code" in error && String(error.code)) || error.name;
}

function fault(reason: HttpFault["reason"], message: string): { ok: false; fault: HttpFault } {
  return { ok: false, fault: { reason, message } };
}
