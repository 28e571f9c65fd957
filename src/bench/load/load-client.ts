import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { AnswerReader } from "./answer-reader.ts";
import type { CallOutcome } from "./call-outcome.ts";

/** How and when a client leaves in the middle of its request: closing its connection in order, or resetting it. */
export type PlannedAbort = { readonly how: "fin" | "rst"; readonly afterMs: number };

/** A request to be measured. */
export type LoadRequest = {
  readonly path: string;
  /** A JSON object; with `stream` true its answer is read as an event stream. */
  readonly body: Readonly<Record<string, unknown>> & { readonly stream: boolean };
  readonly headers: Readonly<Record<string, string>>;
  readonly abort?: PlannedAbort | undefined;
};

export type LoadClientOptions = {
  readonly url: string;
  readonly apiKey: string;
  /** A request without an end after this time fails. */
  readonly timeoutMs: number;
  readonly nowMs: () => number;
};

/** A keep-alive HTTP client that measures each request. Its calls never reject: failures are outcomes. */
export class LoadClient {
  readonly #options: LoadClientOptions;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(options: LoadClientOptions) {
    this.#options = options;
  }

  /** Sends a request and waits for the end of its answer. */
  call(load: LoadRequest): Promise<CallOutcome> {
    const { url, apiKey, timeoutMs, nowMs } = this.#options;
    const body = Buffer.from(JSON.stringify(load.body), "utf8");
    return new Promise((resolve) => {
      const startedMs = nowMs();
      const request = httpRequest(new URL(load.path, url), {
        method: "POST",
        agent: this.#agent,
        headers: {
          "content-type": "application/json",
          "content-length": body.byteLength,
          authorization: `Bearer ${apiKey}`,
          ...load.headers,
        },
      });
      const measure = new Measure(() => nowMs() - startedMs, load.body.stream);
      const settle = (outcome: CallOutcome): void => {
        clearTimeout(deadline);
        clearTimeout(leave);
        resolve(outcome);
      };
      const deadline = setTimeout(() => {
        settle(measure.outcome("failed", `no end after ${timeoutMs} ms`));
        request.destroy();
      }, timeoutMs);
      let left = false;
      const leave =
        load.abort &&
        setTimeout(() => {
          left = true;
          leaveBy(request, load.abort?.how);
        }, load.abort.afterMs);
      const broken = (why: string): void => {
        settle(left ? measure.outcome("aborted", undefined) : measure.outcome("failed", why));
      };
      request.on("error", (error) => broken(error.message));
      request.on("close", () => broken("the connection closed"));
      request.on("response", (response) => {
        measure.begin(response);
        response.on("data", (chunk: Buffer) => measure.take(chunk));
        response.on("error", (error) => broken(error.message));
        response.on("end", () => settle(measure.end()));
      });
      request.end(body);
    });
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent.destroy();
  }
}

/** One request's way from sending to its end. */
class Measure {
  readonly #sinceMs: () => number;
  readonly #reader: AnswerReader;
  #response: IncomingMessage | undefined;
  #firstByteMs: number | undefined;

  constructor(sinceMs: () => number, streamed: boolean) {
    this.#sinceMs = sinceMs;
    this.#reader = new AnswerReader(streamed);
  }

  begin(response: IncomingMessage): void {
    this.#response = response;
  }

  take(chunk: Buffer): void {
    const atMs = this.#sinceMs();
    this.#firstByteMs ??= atMs;
    if (this.#response?.statusCode === 200) this.#reader.push(chunk, atMs);
  }

  end(): CallOutcome {
    const status = this.#response?.statusCode;
    if (status !== 200) return this.outcome("failed", `status ${status} (${this.#reason()})`);
    const problem = this.#reader.end(this.#sinceMs());
    return this.outcome(problem === undefined ? "completed" : "failed", problem);
  }

  outcome(kind: CallOutcome["kind"], problem: string | undefined): CallOutcome {
    const { firstContentMs, firstEventMs, text, usage, notes } = this.#reader;
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.#response?.headers ?? {})) headers[name] = String(value);
    return {
      kind,
      problem,
      status: this.#response?.statusCode,
      headers: { ...headers, ...notes },
      firstByteMs: this.#firstByteMs,
      ttftMs: firstContentMs ?? firstEventMs,
      endMs: this.#sinceMs(),
      text,
      usage,
    };
  }

  #reason(): string {
    const reason = this.#response?.headers["x-warmpath-reason"];
    return typeof reason === "string" ? reason : "no reason given";
  }
}

/** FIN or RST. */
function leaveBy(request: ClientRequest, how: PlannedAbort["how"] | undefined): void {
  if (how === "rst") request.socket?.resetAndDestroy();
  else request.destroy();
}
