import { pino } from "pino";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createCollectorMetrics } from "../../../src/collector/collector-metrics.ts";
import { Feed } from "../../../src/collector/push/feed.ts";
import type { PushOutcome } from "../../../src/collector/push/send-push.ts";
import type { PodReport, PushMessage } from "../../../src/protocol/push-message.ts";

const POD: PodReport = {
  name: "ns/a/80",
  epoch: "e1",
  url: "http://127.0.0.1:80",
  engine: "vllm",
  state: "ready",
  servedModels: ["m"],
};
const CLEAR = { kind: "clear", pod: POD.name, epoch: "e1" } as const;

let feed: Feed | undefined;

const STORE = { kind: "store", pod: POD.name, epoch: "e1", tier: "gpu" } as const;

afterEach(() => feed?.close());

/** A feed whose pushes are answered by `answer`, called with each attempt's number. */
function start(options: {
  answer?: (attempt: number, message: PushMessage) => PushOutcome | Promise<PushOutcome>;
  pushEveryMs?: number;
  pods?: () => PodReport[];
  gather?: (roomBytes: number) => boolean;
  onEmpty?: () => void;
}) {
  const attempts: PushMessage[] = [];
  const resyncs: string[] = [];
  const checks: string[] = [];
  const logged: string[] = [];
  const started = new Feed({
    model: "m",
    source: "node-a",
    instance: "0123456789abcdef",
    timing: { pushEveryMs: options.pushEveryMs ?? 3_600_000, debounceMs: 5, backoffMinMs: 2, backoffMaxMs: 10 },
    spoolBytes: 10_000,
    messageClaimBytes: 1500,
    post: async (message) => {
      attempts.push(message);
      return (await options.answer?.(attempts.length, message)) ?? acknowledged(3_600_000);
    },
    reports: options.pods ?? (() => [POD]),
    onResync: (pod) => resyncs.push(pod),
    onCheck: (pod) => checks.push(pod),
    gather: options.gather ?? (() => false),
    onEmpty: options.onEmpty ?? (() => undefined),
    random: () => 0.5,
    metrics: createCollectorMetrics(() => ({ pods: {}, indexes: [], translation: {}, tables: {} })),
    log: pino({ level: "info" }, { write: (line) => void logged.push(line) }),
  });
  feed = started;
  return { feed: started, attempts, resyncs, checks, logged };
}

function acknowledged(nextPushMs: number, resync: string[] = []): PushOutcome {
  return { kind: "acknowledged", reply: { acknowledged: 1, resync, nextPushMs } };
}

async function until(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 5000, interval: 2 });
}

describe("Feed", () => {
  it("numbers its pushes 1, 2, 3, ...", async () => {
    const { attempts } = start({ pushEveryMs: 1, answer: () => acknowledged(1) });
    await until(() => expect(attempts.length).toBeGreaterThan(5));
    expect(attempts.slice(0, 5).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(attempts[0]).toMatchObject({ schema: 1, model: "m", source: "node-a", pods: [POD], claims: [] });
  });

  it("pushes a clear at once, however long the edge asked it to wait", async () => {
    const { feed, attempts } = start({});
    await until(() => expect(attempts).toHaveLength(1));
    feed.addClaim(CLEAR);
    await until(() => expect(attempts).toHaveLength(2));
    expect(attempts[1]?.claims).toEqual([CLEAR]);
  });

  it("pushes waiting claims as soon as the edge lets it, and else at its own slower pace", async () => {
    const pushedAtMs: number[] = [];
    const { feed, attempts } = start({
      answer: () => {
        pushedAtMs.push(performance.now());
        return acknowledged(40);
      },
    });
    await until(() => expect(attempts).toHaveLength(1));
    for (let news = 0; news < 10; news++) feed.claimsWait();
    await until(() => expect(attempts).toHaveLength(2));
    const [first = 0, second = 0] = pushedAtMs;
    expect(second - first).toBeGreaterThan(30);
    feed.claimsWait();
    await until(() => expect(attempts).toHaveLength(3));
  });

  it("pushes changes that come together as one", async () => {
    const { feed, attempts } = start({});
    await until(() => expect(attempts).toHaveLength(1));
    for (const pod of ["x", "y", "z"]) feed.addClaim({ ...CLEAR, pod });
    await until(() => expect(attempts).toHaveLength(2));
    expect(attempts[1]?.claims).toHaveLength(3);
  });

  it("sends number and claims again, with fresh pods, until the edge has them", async () => {
    let epoch = 0;
    const { feed, attempts } = start({
      pods: () => [{ ...POD, epoch: String(epoch++) }],
      answer: (attempt) => (attempt < 4 ? { kind: "unreachable", reason: "lost" } : acknowledged(3_600_000)),
    });
    feed.addClaim(CLEAR);
    await until(() => expect(attempts.length).toBeGreaterThan(1));
    feed.addClaim({ ...CLEAR, pod: "later" });
    await until(() => expect(attempts).toHaveLength(5));
    expect(attempts.map(({ sequence }) => sequence)).toEqual([1, 1, 1, 1, 2]);
    expect(attempts.slice(0, 4).every(({ claims }) => claims.length === 1 && claims[0]?.pod === POD.name)).toBe(true);
    expect(attempts[4]?.claims).toEqual([{ ...CLEAR, pod: "later" }]);
    expect(new Set(attempts.map(({ pods }) => pods[0]?.epoch)).size).toBe(5);
  });

  it("goes on to the next number when the edge has had this one, and tells the present state of pods at once", async () => {
    const { feed, attempts } = start({
      answer: (attempt) => {
        if (attempt === 1) return { kind: "unreachable", reason: "lost" };
        return attempt === 2 ? { kind: "replayed" } : acknowledged(3_600_000);
      },
    });
    feed.addClaim(CLEAR);
    await until(() => expect(attempts).toHaveLength(3));
    expect(attempts.map(({ sequence, claims }) => [sequence, claims.length])).toEqual([
      [1, 1],
      [1, 1],
      [2, 0],
    ]);
  });

  it("says so when another collector pushes under its name", async () => {
    const { attempts, logged } = start({ answer: () => ({ kind: "replayed" }) });
    await until(() => expect(attempts.length).toBeGreaterThan(3));
    expect(logged.filter((line) => line.includes("another collector"))).toHaveLength(1);
  });

  it("logs a refusal once and keeps trying", async () => {
    const { attempts, logged } = start({ answer: () => ({ kind: "refused", status: 403, reason: "unknown_cluster" }) });
    await until(() => expect(attempts.length).toBeGreaterThan(5));
    expect(new Set(attempts.map(({ sequence }) => sequence))).toEqual(new Set([1]));
    expect(logged.filter((line) => line.includes("unknown_cluster"))).toHaveLength(1);
  });

  it("gives up claims the edge calls wrong and has the pod resynced", async () => {
    const { feed, attempts, resyncs } = start({
      answer: (attempt) =>
        attempt === 1 ? { kind: "refused", status: 413, reason: "too_large" } : acknowledged(3_600_000),
    });
    feed.addClaim({ ...STORE, segments: new Uint8Array(800), tokens: new Uint8Array(400) });
    await until(() => expect(resyncs).toEqual([POD.name]));
    expect(attempts.map(({ sequence, claims }) => [sequence, claims])).toEqual([
      [1, [expect.objectContaining({ kind: "store" })]],
      [2, [{ ...CLEAR, kind: "restate" }]],
    ]);
  });

  it("says that it answers checks, and hands the edge's wish for one on", async () => {
    const { attempts, checks } = start({
      answer: () => ({
        kind: "acknowledged",
        reply: { acknowledged: 1, resync: [], check: [POD.name], nextPushMs: 3_600_000 },
      }),
    });
    await until(() => expect(checks).toEqual([POD.name]));
    expect(attempts[0]?.checks).toBe(true);
  });

  it("hands the edge's wish for a resync on", async () => {
    const { resyncs } = start({ answer: () => acknowledged(3_600_000, [POD.name]) });
    await until(() => expect(resyncs).toEqual([POD.name]));
  });

  it("sends what does not fit one message in the next, at once", async () => {
    const { feed, attempts } = start({});
    await until(() => expect(attempts).toHaveLength(1));
    for (let n = 0; n < 5; n++) {
      feed.addClaim({ ...STORE, segments: new Uint8Array(400), tokens: new Uint8Array(200) });
    }
    feed.pushSoon();
    await until(() => expect(attempts).toHaveLength(4));
    expect(attempts.slice(1).map(({ claims }) => claims.length)).toEqual([2, 2, 1]);
  });

  it("fills each message with claims that wait elsewhere, as many as fit, until there are no more", async () => {
    let waiting = 5;
    const rooms: number[] = [];
    const { feed, attempts } = start({
      gather: (roomBytes) => {
        rooms.push(roomBytes);
        if (waiting === 0) return false;
        waiting--;
        feed.addClaim({ ...STORE, segments: new Uint8Array(800), tokens: new Uint8Array(400) });
        return waiting > 0;
      },
    });
    await until(() => expect(waiting).toBe(0));
    await until(() => expect(attempts.flatMap(({ claims }) => claims)).toHaveLength(5));
    expect(rooms[0]).toBe(1500);
    expect(attempts.every(({ claims }) => claims.length <= 1)).toBe(true);
  });

  it("has one push under way at a time", async () => {
    let underWay = 0;
    let most = 0;
    const { feed, attempts } = start({
      answer: async () => {
        most = Math.max(most, ++underWay);
        await new Promise(setImmediate);
        underWay--;
        return acknowledged(0);
      },
    });
    await until(() => {
      feed.addClaim(CLEAR);
      expect(attempts.length).toBeGreaterThan(10);
    });
    expect(most).toBe(1);
  });

  it("says when the edge has heard that no pod is left", async () => {
    const onEmpty = vi.fn();
    start({ pods: () => [], onEmpty });
    await until(() => expect(onEmpty).toHaveBeenCalledOnce());
  });
});
