import { afterEach, describe, expect, it, vi } from "vitest";
import { type EdgeUnderTest, edgeUnderTest, type PlayedPod, playedStream, scriptedRouter } from "./edge-under-test.ts";

afterEach(() => vi.unstubAllGlobals());

const event = 'data: {"choices":[]}\n\n';
const done = "data: [DONE]\n\n";

const json =
  (status: number): PlayedPod =>
  () =>
    Response.json({ error: { message: "no" } }, { status });
const answers: PlayedPod = () => Response.json({ choices: [] });
const never: PlayedPod = () => new Promise<Response>(() => undefined);
const refuses: PlayedPod = () => {
  throw new Error("connection refused");
};
const acceptsAndStalls: PlayedPod = (_, path) => (path === "/health" ? new Response() : playedStream().response);
const acceptsAndEnds: PlayedPod = () => new Response("", { headers: { "content-type": "text/event-stream" } });
const dies: PlayedPod = () => {
  let chunks = 0;
  const body = new ReadableStream({
    pull: (controller) => {
      if (chunks++ === 0) controller.enqueue(new TextEncoder().encode(event));
      else controller.error(new Error("the pod died"));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
};
const streams: PlayedPod = () => new Response(event + done, { headers: { "content-type": "text/event-stream" } });

async function ask(edge: EdgeUnderTest, stream: boolean, pods: readonly PlayedPod[]) {
  const router = scriptedRouter(...pods.map((_, i) => `pod-${i}`));
  edge.replacement = router.stub;
  for (const [i, pod] of pods.entries()) edge.pods.set(`pod-${i}`, pod);
  const answer = await edge.chat({ stream });
  const text = await answer.text();
  await edge.settled();
  return { status: answer.status, text, moves: router.moves, outcomes: router.outcomes };
}

describe("what a lease is told of its pod", () => {
  it.each<[string, boolean, PlayedPod, object[]]>([
    ["a whole answer", false, answers, [{ kind: "completed", podOutcome: "answered" }]],
    ["an engine's refusal of the request", false, json(400), [{ kind: "failed", podOutcome: "rejected" }]],
    ["an error that no other pod would mend", false, json(501), [{ kind: "failed", podOutcome: "server_error" }]],
    ["a stream that breaks off after its first byte", true, dies, [{ kind: "failed", podOutcome: "truncated" }]],
    ["a whole stream: nothing, its disposal says it all", true, streams, []],
  ])("%s", async (_what, stream, pod, outcomes) => {
    expect((await ask(await edgeUnderTest(), stream, [pod])).outcomes).toMatchObject(outcomes);
  });

  it.each<[string, boolean, PlayedPod, string]>([
    ["no connection", false, refuses, "connect_failed"],
    ["no sign of life at all", false, never, "connect_failed"],
    ["a server error", false, json(503), "server_error"],
    ["a refusal for load", true, json(429), "rejected"],
    ["headers and no byte in time", true, acceptsAndStalls, "stalled"],
    ["headers and an end without a byte", true, acceptsAndEnds, "truncated"],
  ])("%s: the request moves and says why", async (_what, stream, pod, podOutcome) => {
    const edge = await edgeUnderTest({ connectMs: 100, attemptFirstByteMs: 400 });
    const { status, moves, text } = await ask(edge, stream, [pod, stream ? streams : answers]);
    expect([status, moves]).toEqual([200, [{ podOutcome }]]);
    expect(text).not.toContain("error");
  });

  it("a client that leaves before and after the first byte: its leaving, and nothing of the pod", async () => {
    for (const begun of [false, true]) {
      const edge = await edgeUnderTest();
      const router = scriptedRouter("pod-0");
      edge.replacement = router.stub;
      const stream = playedStream();
      edge.pods.set("pod-0", () => stream.response);
      const leaving = new AbortController();
      const answer = await edge.chat({ stream: true }, { signal: leaving.signal });
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
      if (begun) stream.write(event);
      if (begun) await reader.read();
      leaving.abort();
      await edge.settled();
      expect(router.outcomes).toMatchObject([{ kind: "client_left", podOutcome: "client_left" }]);
    }
  });

  it("the deadline of all attempts blames the one pod that had all of it", async () => {
    const edge = await edgeUnderTest({ firstByteMs: 300 });
    const { outcomes, text } = await ask(edge, true, [acceptsAndStalls]);
    expect(outcomes).toEqual([{ kind: "failed", podOutcome: "stalled" }]);
    expect(text).toContain('"code":"deadline_exceeded"');
  });

  it("the deadline of all attempts blames no pod that had only the rest of it", async () => {
    const edge = await edgeUnderTest({ firstByteMs: 600, attemptFirstByteMs: 400 });
    const { outcomes, moves } = await ask(edge, true, [acceptsAndStalls, acceptsAndStalls]);
    expect(moves).toEqual([{ podOutcome: "stalled" }]);
    expect(outcomes).toEqual([{ kind: "failed", podOutcome: "client_left" }]);
  });
});
