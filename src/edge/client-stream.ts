const encoder = new TextEncoder();
const WAITING = encoder.encode(": waiting\n\n");

/**
 * The body of an answer on its way to the client. A write that fails tells that the client is gone: it is the only
 * one at the other end.
 */
export class ClientStream {
  readonly readable: ReadableStream;
  readonly #writable: WritableStream;
  readonly #onLeft: () => void;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #pending: Promise<void> | undefined;

  constructor(onLeft: () => void) {
    // Native on both sides, and it keeps this request's context, and so its lease, alive to the last byte.
    const { readable, writable } = new IdentityTransformStream();
    this.readable = readable;
    this.#writable = writable;
    this.#onLeft = onLeft;
  }

  /** SSE comment lines that say what headers would have said, had they not been sent before. */
  async note(headers: Headers): Promise<void> {
    await this.write(encoder.encode(commentsOf(headers)));
  }

  /** An SSE comment that keeps the line alive, unless the client has not even taken the last one. */
  comment(): void {
    if (this.#pending !== undefined) return;
    this.#pending = this.#write(WAITING)
      .catch(() => this.#onLeft())
      .finally(() => {
        this.#pending = undefined;
      });
  }

  /** Resolves when the client's side has taken the bytes. Rejects if the client is gone. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#pending;
    await this.#write(bytes);
  }

  /** Passes a body on natively, to its end. Rejects if either side breaks; more can be written then. */
  async pipe(body: ReadableStream<Uint8Array>): Promise<void> {
    await this.#pending;
    this.#writer?.releaseLock();
    this.#writer = undefined;
    await body.pipeTo(this.#writable, { preventAbort: true });
  }

  async close(): Promise<void> {
    await this.#pending;
    await this.#lockedWriter().close();
  }

  /** Ends a stream of events with one more, behind comments in place of `headers`. Rejects if the client is gone. */
  async closeWithEvent(event: object, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.write(encoder.encode(`${commentsOf(Object.entries(headers))}data: ${JSON.stringify(event)}\n\n`));
    await this.close();
  }

  /** Cuts the body off, so that the client sees it is incomplete. */
  async cut(reason: unknown): Promise<void> {
    await this.#lockedWriter().abort(reason);
  }

  #write(bytes: Uint8Array): Promise<void> {
    return this.#lockedWriter().write(bytes);
  }

  #lockedWriter(): WritableStreamDefaultWriter<Uint8Array> {
    this.#writer ??= this.#writable.getWriter();
    return this.#writer;
  }
}

/** Comment lines in place of headers; nothing where there are none. */
function commentsOf(headers: Iterable<readonly [string, string]>): string {
  const lines = Array.from(headers, ([name, value]) => `: ${name}: ${value}\n`);
  return lines.length === 0 ? "" : `${lines.join("")}\n`;
}
