import type { PodOutcome } from "../routing/health/pod-outcome.ts";
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
import type { ClientAnswer } from "./client-answer.ts";
import type { ClientStream } from "./client-stream.ts";
import { errorEvent } from "./error-event.ts";
import type { Forwarding } from "./forward.ts";
import type { HeldLease } from "./held-lease.ts";
import { log } from "./log.ts";
import { NoPodLeft } from "./no-pod-left.ts";
import { Refusal } from "./refusal.ts";
import { watchSilence } from "./silence-watch.ts";
import { type Upstream, upstreamHeaders, upstreamTo } from "./upstream.ts";
import { usageInJson } from "./usage.ts";

const CLIENT_LEFT = { kind: "client_left", podOutcome: "client_left" } as const;
/** Says nothing of the pod. */
const NOTHING: PodOutcome = "client_left";

/** One request on its way, from its first attempt to the end of its answer. */
export class ForwardedRequest {
  readonly #forwarding: Forwarding;
  readonly #lease: HeldLease;
  readonly #answer: ClientAnswer;
  readonly #cancellation = new Cancellation();
  readonly #routeMs: number;
  #attempts = 0;
  /** 0 where they went out while the request waited for a pod. */
  #attemptsInHeaders = 0;
  #committed = false;
  #sentMs = 0;

  constructor(forwarding: Forwarding, lease: HeldLease) {
    this.#forwarding = forwarding;
    this.#lease = lease;
    this.#answer = forwarding.answer;
    this.#routeMs = Date.now() - forwarding.arrivedMs;
  }

  async run(): Promise<void> {
    const { timer, settings, streamed } = this.#forwarding;
    const { limits } = settings;
    const ageMs = this.#routeMs;
    const answerMs = streamed ? limits.firstByteMs : limits.wholeMs;
    const { left } = this.#answer;
    const leave = () => this.#cancellation.cancel(new Refusal("client_left", "The client left."));
    left.addEventListener("abort", leave);
    if (left.aborted) leave();
    this.#lease.keepAlive(timer);
    timer.set("answer", answerMs - ageMs, () => this.#deadline(`No pod answered within ${answerMs} ms. Retry.`));
    timer.set("total", limits.totalMs - ageMs, () => {
      this.#deadline(`The answer was not over after ${limits.totalMs} ms. What came before is incomplete.`);
    });
    try {
      const answered = await this.#answered();
      if (answered instanceof NoPodLeft) await this.#giveUp(answered);
      else if (answered.kind === "whole") await this.#passWhole(answered);
      else await this.#passStream(answered);
    } catch (error) {
      await this.#breakOff(error);
    }
  }

  #deadline(message: string): void {
    this.#cancellation.cancel(new Refusal("deadline_exceeded", message));
  }

  /** Tries one pod after the other. Throws the reason for which the request was cancelled. */
  async #answered(): Promise<Answered | NoPodLeft> {
    const { settings, requestId } = this.#forwarding;
    const lease = this.#lease;
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
      if (moved?.ok !== true) return new NoPodLeft(failure, this.#attempts, moved?.reason === "no_endpoints");
      if (failure.kind === "status") await failure.response.body?.cancel();
    }
  }

  #attempt(): Promise<AttemptResult> {
    const { env, settings, client, path, body, requestId, streamed, timer } = this.#forwarding;
    const lease = this.#lease;
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
      mayMove: async (late) => {
        if (this.#attempts >= settings.limits.attempts) return false;
        return late === "by_limit" ? lease.mayMove() : lease.isOverdue();
      },
    });
  }

  #upstream(): Upstream {
    return upstreamTo(this.#lease.pod, this.#forwarding.settings);
  }

  /** A pod has accepted the stream. Until its first byte comes the client hears comments, and the request can move. */
  #answerEarly(response: Response): void {
    const { settings, streamed } = this.#forwarding;
    if (!streamed || !settings.limits.headersEarly || this.#answer.stream !== undefined) return;
    this.#begin(response);
    this.#answer.commentUntilCommit(() => response);
  }

  /** Sends the answer's headers. */
  #begin({ status, headers }: Response): ClientStream {
    this.#attemptsInHeaders = this.#attempts;
    return this.#answer.begin(new Response(null, { status, headers: this.#headers(headers) }));
  }

  /** The pod's headers, where there are any, and those the edge adds. */
  #headers(ofPod?: Headers): Headers {
    const { requestId, describe } = this.#forwarding;
    const lease = this.#lease;
    const added = new Headers({
      "x-request-id": requestId,
      "x-warmpath-attempts": String(this.#attempts),
      "server-timing": `route;dur=${this.#routeMs}, pod;dur=${Date.now() - this.#sentMs}`,
    });
    if (lease.degraded !== undefined) added.set("x-warmpath-degraded", lease.degraded);
    describe(lease, added);
    return ofPod === undefined ? added : replyHeaders(ofPod, added);
  }

  #commit(): void {
    const { timer, releaseBody } = this.#forwarding;
    this.#committed = true;
    timer.clear("answer");
    this.#answer.stopComments();
    releaseBody();
  }

  async #passWhole(answered: Extract<Answered, { kind: "whole" }>): Promise<void> {
    const { response, bytes } = answered;
    this.#commit();
    const failedOutcome = response.status >= 500 ? "server_error" : "rejected";
    if (this.#answer.stream !== undefined) {
      // The headers of a stream are out, so that an engine's refusal can only be an event.
      const outcome = response.ok ? "server_error" : failedOutcome;
      return await this.#endWithEvent(errorEvent(brokenOff(), bytes), outcome);
    }
    const body = bytes.byteLength === 0 ? null : bytes;
    this.#answer.whole(new Response(body, { status: response.status, headers: this.#headers(response.headers) }));
    const usage = response.ok ? usageInJson(bytes) : undefined;
    const kind = response.ok ? "completed" : "failed";
    await this.#lease.finish({ kind, ...usage, podOutcome: response.ok ? "answered" : failedOutcome });
  }

  async #passStream(answered: BegunAnswer): Promise<void> {
    const { settings, timer, streamUsage } = this.#forwarding;
    const { limits } = settings;
    const lease = this.#lease;
    this.#commit();
    lease.firstToken(Date.now() - this.#sentMs);
    const client = this.#answer.stream ?? this.#begin(answered.response);
    if (this.#attempts > this.#attemptsInHeaders) await client.note(this.#headers());
    const readsUsage = streamUsage !== "skip" && isEventStream(answered.response);
    const reading = readsUsage ? streamUsage : limits.idleWatch === "bytes" ? "watch" : "pipe";
    const pod = { id: lease.pod.id, upstream: this.#upstream() };
    const { waiting } = watchSilence(pod, limits, timer, () => {
      const message = "The pod has fallen silent. What came before is incomplete.";
      this.#cancellation.cancel(new Refusal("upstream_stalled", message));
    });
    const usage = await passOn(answered, { client, reading, onWaiting: waiting });
    await lease.finish({ kind: "completed", ...usage, podOutcome: "answered" });
  }

  /** An engine's own answer goes to the client; anything else becomes a refusal. */
  async #giveUp(end: NoPodLeft): Promise<void> {
    const { failure, refusal, passedOn } = end;
    const podOutcome = podOutcomeOf(failure);
    if (this.#answer.stream !== undefined) {
      const body = await passedOn?.arrayBuffer().catch(() => undefined);
      return await this.#endWithEvent(errorEvent(refusal, body && new Uint8Array(body)), podOutcome);
    }
    if (passedOn === undefined) this.#answer.refuse(refusal);
    else this.#answer.whole(passedOn);
    await this.#lease.finish({ kind: "failed", podOutcome });
  }

  /** The way out of everything that was cancelled or broke. */
  async #breakOff(error: unknown): Promise<void> {
    const lease = this.#lease;
    const cause = this.#cancellation.reason ?? (error instanceof Refusal ? error : undefined);
    if (cause?.reason === "client_left") {
      this.#answer.refuse(cause);
      return await lease.finish(CLIENT_LEFT);
    }
    if (this.#answer.stream === undefined) {
      this.#answer.refuse(error);
      return await lease.finish({ kind: "failed", podOutcome: this.#blame(cause) });
    }
    await this.#endWithEvent(errorEvent(cause ?? brokenOff()), this.#blame(cause));
  }

  /** What a broken request says of its pod. A deadline blames the one pod that had all of it. */
  #blame(cause: Refusal | undefined): PodOutcome {
    if (cause === undefined) return this.#committed ? "truncated" : NOTHING;
    if (cause.reason === "upstream_stalled") return "stalled";
    const hadItAll = !this.#committed && this.#attempts === 1 && this.#forwarding.streamed;
    return cause.reason === "deadline_exceeded" && hadItAll ? "stalled" : NOTHING;
  }

  /** Ends an answer whose headers are out. A client that cannot be told has left, and then the pod is not to blame. */
  async #endWithEvent(event: object, podOutcome: PodOutcome): Promise<void> {
    if (!(await this.#answer.breakOff(event))) return await this.#lease.finish(CLIENT_LEFT);
    log("warn", "answer_broken", { requestId: this.#forwarding.requestId, pod: this.#lease.pod.id, podOutcome });
    await this.#lease.finish({ kind: "failed", podOutcome });
  }
}

function brokenOff(): Refusal {
  return new Refusal("upstream_failed", "The pod's answer broke off. What came before is incomplete.");
}

function described(failure: AttemptFailure): Record<string, string | number> {
  return failure.kind === "status"
    ? { failure: failure.kind, status: failure.response.status }
    : { failure: failure.kind, message: failure.message };
}
