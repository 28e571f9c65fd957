import type { FinishCall } from "../../durable/routing-rpc.ts";
import type { PodOutcome } from "../routing/health/pod-outcome.ts";
import type { Settings } from "../settings/settings.ts";
import { passOn, replyHeaders } from "./answer.ts";
import {
  type Answered,
  type AttemptFailure,
  type AttemptResult,
  attempt,
  type BegunAnswer,
  isEventStream,
  podOutcomeOf,
} from "./attempt.ts";
import { Cancellation } from "./cancellation.ts";
import { ClientStream } from "./client-stream.ts";
import type { Env } from "./env.ts";
import type { HeldLease } from "./held-lease.ts";
import { errorText, log } from "./log.ts";
import { isAlive } from "./pod-pulse.ts";
import { errorEnvelope, Refusal } from "./refusal.ts";
import type { RequestTimer } from "./request-timer.ts";
import { type Upstream, upstreamHeaders, upstreamTo } from "./upstream.ts";
import { usageInJson } from "./usage.ts";

/** A request that has a lease and is ready to be sent. */
export type Forwarding = {
  readonly env: Env;
  readonly settings: Settings;
  readonly lease: HeldLease;
  readonly timer: RequestTimer;
  readonly client: Request;
  /** The client asked for a stream. */
  readonly streamed: boolean;
  readonly requestId: string;
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly streamUsage: "skip" | "read" | "strip";
  /** The edge's clock at the request's arrival. */
  readonly arrivedMs: number;
  /** Time from arrival to the lease. */
  readonly routeMs: number;
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** The body's bytes are no longer needed. */
  readonly releaseBody: () => void;
  /** Headers that tell of the placement in force. */
  readonly describe: (lease: HeldLease, headers: Headers) => void;
};

const COMMENT_MS = 2_000;
/** A pod is asked this often before its streams are given up. */
const IDLE_POD_ASKED = 3;
/** How long a broken stream's last event may wait for a slow client before the lease is closed without it. */
const LAST_EVENT_MS = 1_000;

/**
 * Sends a request to its pod and, until an answer can be committed, to others: each pod once, within one deadline.
 * Resolves with the answer's headers, rejects with a Refusal; either way the work goes on until the lease is closed.
 */
export function forward(forwarding: Forwarding): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  forwarding.waitUntil(new ForwardedRequest(forwarding, resolve, reject).run());
  return promise;
}

/** No pod is left to try. */
class Exhausted {
  readonly failure: AttemptFailure;
  readonly attempts: number;
  readonly everyPod: boolean;

  constructor(failure: AttemptFailure, attempts: number, everyPod: boolean) {
    this.failure = failure;
    this.attempts = attempts;
    this.everyPod = everyPod;
  }

  get refusal(): Refusal {
    const { attempts } = this;
    const headers = { "x-warmpath-attempts": String(attempts) };
    const tried = this.everyPod ? "every pod" : attempts === 1 ? "one pod" : `${attempts} pods`;
    if (this.failure.kind === "stalled") {
      const message = `No answer began in time on ${tried}. Retry.`;
      return new Refusal("upstream_stalled", message, { headers });
    }
    const message = `The request failed on ${tried} before an answer began. Retry.`;
    return new Refusal("upstream_failed", message, { headers });
  }
}

/** One request on its way, from its first attempt to the end of its answer. */
class ForwardedRequest {
  readonly #forwarding: Forwarding;
  readonly #respond: (response: Response) => void;
  readonly #refuse: (error: unknown) => void;
  readonly #cancellation = new Cancellation();
  /** There once the answer's headers are out. */
  #client: ClientStream | undefined;
  #clientSeesEvents = false;
  #attempts = 0;
  #attemptsInHeaders = 0;
  #committed = false;
  #sentMs = 0;

  constructor(forwarding: Forwarding, respond: (response: Response) => void, refuse: (error: unknown) => void) {
    this.#forwarding = forwarding;
    this.#respond = respond;
    this.#refuse = refuse;
  }

  async run(): Promise<void> {
    const { client, timer, lease, settings, streamed, arrivedMs, releaseBody } = this.#forwarding;
    const { limits } = settings;
    const ageMs = Date.now() - arrivedMs;
    const answerMs = streamed ? limits.firstByteMs : limits.wholeMs;
    const leave = () => this.#cancellation.cancel(new Refusal("client_left", "The client left."));
    client.signal.addEventListener("abort", leave);
    if (client.signal.aborted) leave();
    lease.keepAlive(timer);
    timer.set("answer", answerMs - ageMs, () => this.#deadline(`No pod answered within ${answerMs} ms. Retry.`));
    timer.set("total", limits.totalMs - ageMs, () => {
      this.#deadline(`The answer was not over after ${limits.totalMs} ms. What came before is incomplete.`);
    });
    try {
      const answered = await this.#answered();
      if (answered instanceof Exhausted) await this.#giveUp(answered);
      else if (answered.kind === "whole") await this.#passWhole(answered);
      else await this.#passStream(answered);
    } catch (error) {
      await this.#breakOff(error);
    } finally {
      releaseBody();
      client.signal.removeEventListener("abort", leave);
      timer.stop();
    }
  }

  #deadline(message: string): void {
    this.#cancellation.cancel(new Refusal("deadline_exceeded", message));
  }

  /** Tries one pod after the other. Throws the reason for which the request was cancelled. */
  async #answered(): Promise<Answered | Exhausted> {
    const { lease, settings, requestId } = this.#forwarding;
    for (;;) {
      this.#attempts++;
      const result = await this.#attempt();
      if (this.#cancellation.reason !== undefined) throw this.#cancellation.reason;
      if (result.ok) return result.answered;
      const { failure } = result;
      log("warn", "attempt_failed", { requestId, pod: lease.pod.id, ...described(failure) });
      const mayMove = this.#attempts < settings.limits.attempts;
      const moved = mayMove ? await lease.move({ podOutcome: podOutcomeOf(failure) }) : undefined;
      if (this.#cancellation.reason !== undefined) throw this.#cancellation.reason;
      if (moved?.ok !== true) return new Exhausted(failure, this.#attempts, mayMove);
      if (failure.kind === "status") await failure.response.body?.cancel();
    }
  }

  #attempt(): Promise<AttemptResult> {
    const { env, settings, lease, client, path, body, requestId, streamed, timer } = this.#forwarding;
    const cluster = settings.clusters.find(({ name }) => name === lease.pod.cluster);
    const headers = upstreamHeaders(client.headers, cluster, env, requestId);
    this.#sentMs = Date.now();
    return attempt({
      podId: lease.pod.id,
      upstream: this.#upstream(),
      path,
      init: { method: client.method, headers, body, redirect: "manual" },
      controller: this.#cancellation.nextAttempt(),
      streamed,
      limits: settings.limits,
      timer,
      onAccepted: (response) => this.#answerEarly(response),
    });
  }

  #upstream(): Upstream {
    const { lease, settings } = this.#forwarding;
    return upstreamTo(lease.pod, settings);
  }

  /** A pod has accepted the stream. Until its first byte comes the client hears comments, and the request can move. */
  #answerEarly(response: Response): void {
    const { settings, streamed, timer } = this.#forwarding;
    if (!streamed || !settings.limits.headersEarly || this.#client !== undefined) return;
    const client = this.#begin(response);
    const comment = () => {
      client.comment();
      timer.set("comment", COMMENT_MS, comment);
    };
    timer.set("comment", COMMENT_MS, comment);
  }

  /** Sends the answer's headers. */
  #begin(response: Response): ClientStream {
    const client = new ClientStream(() => {
      this.#cancellation.cancel(new Refusal("client_left", "The client left."));
    });
    this.#client = client;
    this.#clientSeesEvents = isEventStream(response);
    this.#attemptsInHeaders = this.#attempts;
    this.#respond(new Response(client.readable, { status: response.status, headers: this.#headers(response) }));
    return client;
  }

  /** The pod's headers, where there are any, and those the edge adds. */
  #headers(response?: Response): Headers {
    const { lease, requestId, routeMs, describe } = this.#forwarding;
    const added = new Headers({
      "x-request-id": requestId,
      "x-warmpath-attempts": String(this.#attempts),
      "server-timing": `route;dur=${routeMs}, pod;dur=${Date.now() - this.#sentMs}`,
    });
    if (lease.degraded !== undefined) added.set("x-warmpath-degraded", lease.degraded);
    describe(lease, added);
    return response === undefined ? added : replyHeaders(response, added);
  }

  #commit(): void {
    const { timer, releaseBody } = this.#forwarding;
    this.#committed = true;
    timer.clear("answer");
    timer.clear("comment");
    releaseBody();
  }

  async #passWhole(answered: Extract<Answered, { kind: "whole" }>): Promise<void> {
    const { response, bytes } = answered;
    this.#commit();
    const failedOutcome = response.status >= 500 ? "server_error" : "rejected";
    if (this.#client !== undefined) {
      // Another pod accepted a stream before, so that an engine's refusal can only be an event.
      const outcome = response.ok ? "server_error" : failedOutcome;
      return await this.#endWithEvent(eventOf(bytes) ?? errorEnvelope(brokenOff()), outcome);
    }
    const body = bytes.byteLength === 0 ? null : bytes;
    this.#respond(new Response(body, { status: response.status, headers: this.#headers(response) }));
    const { promptTokens, cachedTokens } = (response.ok ? usageInJson(bytes) : undefined) ?? {};
    const kind = response.ok ? "completed" : "failed";
    await this.#finish({ kind, promptTokens, cachedTokens, podOutcome: response.ok ? "answered" : failedOutcome });
  }

  async #passStream(answered: BegunAnswer): Promise<void> {
    const { lease, settings, timer, streamUsage } = this.#forwarding;
    const { idleWatch, idleMs } = settings.limits;
    this.#commit();
    lease.firstToken(Date.now() - this.#sentMs);
    const client = this.#client ?? this.#begin(answered.response);
    if (this.#attempts > this.#attemptsInHeaders) await client.note(this.#headers());
    const watched = idleWatch === "bytes" ? "watch" : "pipe";
    const reading = streamUsage === "skip" || !isEventStream(answered.response) ? watched : streamUsage;
    if (idleWatch === "pod") this.#watchPod();
    const onSilence = (waiting: boolean): void => {
      if (idleWatch === "pod") return;
      if (waiting) timer.set("idle", idleMs, () => this.#silence());
      else timer.clear("idle");
    };
    const usage = await passOn(answered, { client, reading, onSilence });
    const { promptTokens, cachedTokens } = usage ?? {};
    await this.#finish({ kind: "completed", promptTokens, cachedTokens, podOutcome: "answered" });
  }

  /** Looks now and then whether the pod has answered anything to anybody, and asks it if it has not. */
  #watchPod(): void {
    const { lease, settings, timer } = this.#forwarding;
    const { idleMs, connectMs } = settings.limits;
    timer.set("idle", idleMs, async () => {
      const pod = { id: lease.pod.id, upstream: this.#upstream() };
      if (await isAlive(pod, Date.now() - idleMs, { times: IDLE_POD_ASKED, eachMs: connectMs })) this.#watchPod();
      else this.#silence();
    });
  }

  #silence(): void {
    const message = "The pod has fallen silent. What came before is incomplete.";
    this.#cancellation.cancel(new Refusal("upstream_stalled", message));
  }

  /** An engine's own answer goes to the client; anything else becomes a refusal. */
  async #giveUp(exhausted: Exhausted): Promise<void> {
    const { failure, refusal } = exhausted;
    const podOutcome = podOutcomeOf(failure);
    if (failure.kind === "status" && this.#client !== undefined) {
      const bytes = await failure.response.arrayBuffer().catch(() => new ArrayBuffer(0));
      return await this.#endWithEvent(eventOf(new Uint8Array(bytes)) ?? errorEnvelope(refusal), podOutcome);
    }
    if (this.#client !== undefined) return await this.#endWithEvent(errorEnvelope(refusal), podOutcome);
    if (failure.kind === "status") this.#respond(passedOn(failure.response, exhausted.attempts));
    else this.#refuse(refusal);
    await this.#finish({ kind: "failed", podOutcome });
  }

  /** The way out of everything that was cancelled or broke. */
  async #breakOff(error: unknown): Promise<void> {
    const cause = this.#cancellation.reason ?? (error instanceof Refusal ? error : undefined);
    if (cause?.reason === "client_left") {
      this.#refuse(cause);
      return await this.#finish({ kind: "client_left", podOutcome: "client_left" });
    }
    if (this.#client === undefined) {
      this.#refuse(error);
      return await this.#finish({ kind: "failed", podOutcome: this.#blame(cause) });
    }
    if (cause === undefined) log("warn", "answer_broken", { error: errorText(error) });
    await this.#endWithEvent(errorEnvelope(cause ?? brokenOff()), this.#blame(cause));
  }

  /** What a broken request says of its pod. A deadline blames the one pod that had all of it. */
  #blame(cause: Refusal | undefined): PodOutcome | undefined {
    if (cause === undefined) return this.#committed ? "truncated" : undefined;
    if (cause.reason === "upstream_stalled") return "stalled";
    const hadItAll = !this.#committed && this.#attempts === 1 && this.#forwarding.streamed;
    return cause.reason === "deadline_exceeded" && hadItAll ? "stalled" : undefined;
  }

  /**
   * Ends an answer whose headers are out: a stream of events with one that says why, and without `[DONE]`; any other
   * body is cut off. A client that cannot be told has left, and then the pod is not to blame.
   */
  async #endWithEvent(event: object, podOutcome: PodOutcome | undefined): Promise<void> {
    const client = this.#client as ClientStream;
    const ended = this.#clientSeesEvents ? client.closeWithEvent(event) : client.cut(new Error("the answer broke off"));
    const told = ended.then(
      () => true,
      () => false,
    );
    const { promise: slow, resolve } = Promise.withResolvers<boolean>();
    this.#forwarding.timer.set("comment", LAST_EVENT_MS, () => resolve(true));
    if (await Promise.race([told, slow])) await this.#finish({ kind: "failed", podOutcome });
    else await this.#finish({ kind: "client_left", podOutcome: "client_left" });
    await told;
  }

  async #finish(outcome: FinishCall): Promise<void> {
    await this.#forwarding.lease.finish(outcome);
  }
}

function brokenOff(): Refusal {
  return new Refusal("upstream_failed", "The pod's answer broke off. What came before is incomplete.");
}

/** An engine's error body as a stream's event; undefined for anything else. */
function eventOf(bytes: Uint8Array): object | undefined {
  try {
    const body = JSON.parse(new TextDecoder().decode(bytes)) as { error?: unknown } | null;
    return typeof body?.error === "object" && body.error !== null ? { error: body.error } : undefined;
  } catch {
    // No JSON: the edge's own words have to do.
    return undefined;
  }
}

/** The last engine's answer, where no pod had a better one. */
function passedOn(response: Response, attempts: number): Response {
  const headers = new Headers({ "x-warmpath-attempts": String(attempts), "x-warmpath-reason": "upstream_failed" });
  for (const name of ["content-type", "retry-after"]) {
    const value = response.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(response.body, { status: response.status, headers });
}

function described(failure: AttemptFailure): Record<string, string | number> {
  return failure.kind === "status"
    ? { failure: failure.kind, status: failure.response.status }
    : { failure: failure.kind, message: failure.message };
}
