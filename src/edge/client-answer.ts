import { isEventStream } from "./attempt.ts";
import { ClientStream } from "./client-stream.ts";
import type { RequestTimer } from "./request-timer.ts";

/** How long a client may hear nothing before it is sent a comment. */
const COMMENT_MS = 2_000;
/** How long a broken stream's last event may wait for a slow client before it counts as told. */
const LAST_EVENT_MS = 1_000;

/**
 * The one answer a client gets: whole, refused, or a stream whose headers may go out long before there is anything to
 * pass on. Also knows when the client has left, by whichever sign comes first.
 */
export class ClientAnswer {
  /** The answer's headers and body, or the error it is refused with. */
  readonly response: Promise<Response>;
  /** Aborted when the client has left. */
  readonly left: AbortSignal;
  readonly #respond: (response: Response) => void;
  readonly #refuse: (error: unknown) => void;
  readonly #leave: () => void;
  readonly #client: AbortSignal;
  readonly #timer: RequestTimer;
  #stream: ClientStream | undefined;
  #seesEvents = false;
  #ended: Promise<unknown> | undefined;

  constructor(client: AbortSignal, timer: RequestTimer) {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const leaving = new AbortController();
    this.response = promise;
    this.left = leaving.signal;
    this.#respond = resolve;
    this.#refuse = reject;
    this.#leave = () => leaving.abort();
    this.#client = client;
    this.#timer = timer;
    client.addEventListener("abort", this.#leave);
    if (client.aborted) this.#leave();
  }

  /** The body on its way to the client; undefined until the headers are out. */
  get stream(): ClientStream | undefined {
    return this.#stream;
  }

  /** Answers with all there is to say. Only before headers are out. */
  whole(response: Response): void {
    this.#respond(response);
  }

  /** Answers with an error. Nothing happens once headers are out. */
  refuse(error: unknown): void {
    this.#refuse(error);
  }

  /** Sends `response`'s status and headers; its body is what is written to the stream from now on. */
  begin(response: Response): ClientStream {
    const stream = new ClientStream(this.#leave);
    this.#stream = stream;
    this.#seesEvents = isEventStream(response);
    this.#respond(new Response(stream.readable, response));
    return stream;
  }

  /** Keeps an event stream alive with comments. `beginning` makes its headers, should they not be out by then. */
  commentUntilCommit(beginning: () => Response): void {
    this.#timer.set("comment", COMMENT_MS, () => {
      (this.#stream ?? this.begin(beginning())).comment();
      this.commentUntilCommit(beginning);
    });
  }

  /** The stream has something to say by itself, or ends: no comments any more. */
  stopComments(): void {
    this.#timer.clear("comment");
  }

  /**
   * Ends an answer whose headers are out: a stream of events with one that says why, and without `[DONE]`, behind comments
   * that say what `headers` would have said; any other body is cut off. False: the client cannot be told, it has left.
   */
  async breakOff(event: object, headers: Readonly<Record<string, string>> = {}): Promise<boolean> {
    const stream = this.#stream as ClientStream;
    const ended = this.#seesEvents
      ? stream.closeWithEvent(event, headers)
      : stream.cut(new Error("the answer broke off"));
    const told = ended.then(
      () => true,
      () => false,
    );
    this.#ended = told;
    const { promise: slow, resolve } = Promise.withResolvers<boolean>();
    this.#timer.set("lastEvent", LAST_EVENT_MS, () => resolve(true));
    return await Promise.race([told, slow]);
  }

  /** Resolves when the client's side has taken what it was told last. */
  async close(): Promise<void> {
    this.#client.removeEventListener("abort", this.#leave);
    await this.#ended;
  }
}
