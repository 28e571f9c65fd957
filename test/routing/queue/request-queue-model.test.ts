import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { QueuedRequest } from "../../../src/routing/queue/queued-request.ts";
import { stretchRankMs } from "../../../src/routing/queue/stretch-order.ts";
import { asked, FLAT_COST, flatQueue } from "./queue-fixture.ts";

const AGED_AFTER_MS = 5_000;
const MOST_WAITING = 12;
const LAST_CALL_SHARE = 0.05;

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("offer" as const),
      key: fc.constantFrom("a", "b", "c"),
      priority: fc.integer({ min: -1, max: 1 }),
      promptTokens: fc.integer({ min: 1, max: 20_000 }),
      cachedShare: fc.double({ min: 0, max: 1, noNaN: true }),
      outputTokens: fc.nat(500),
      patienceMs: fc.integer({ min: 0, max: 20_000 }),
      sloTtftMs: fc.option(fc.nat(5_000), { nil: undefined }),
      again: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("next" as const), mostPromptTokens: fc.nat(40_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), index: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("expire" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(3_000) }) },
);

const stretchOf = (request: QueuedRequest<undefined>) => stretchRankMs(request, 20, FLAT_COST);

describe("request queue, whatever happens in whatever order", () => {
  it("loses nothing, gives everything out once, holds its bound and its order", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const queue = flatQueue({
          mostWaiting: MOST_WAITING,
          agedAfterMs: AGED_AFTER_MS,
          lastCallShare: LAST_CALL_SHARE,
        });
        const waiting = new Map<string, QueuedRequest<undefined>>();
        const left = new Set<string>();
        let accepted = 0;
        let nowMs = 0;
        const leave = (request: QueuedRequest<undefined>) => {
          expect(waiting.get(request.id)).toBe(request);
          expect(left.has(request.id)).toBe(false);
          waiting.delete(request.id);
          left.add(request.id);
        };
        steps.forEach((taken, turn) => {
          if (taken.kind === "wait") nowMs += taken.ms;
          else if (taken.kind === "offer") {
            const { again, patienceMs, cachedShare, kind: _, ...fields } = taken;
            const request = asked(`r${turn}`, {
              ...fields,
              fingerprint: again ? "same" : `r${turn}`,
              uncachedTokens: Math.round(fields.promptTokens * (1 - cachedShare)),
              enqueuedAtMs: nowMs,
              deadlineAtMs: nowMs + patienceMs,
            });
            const verdict = queue.offer(request, nowMs);
            expect(verdict.waitMs).toBeGreaterThanOrEqual(0);
            if (verdict.ok) {
              accepted++;
              waiting.set(request.id, request);
              expect(verdict.waitMs).toBeLessThan(patienceMs);
            } else {
              expect(verdict.retryAfterMs).toBeGreaterThanOrEqual(0);
              expect(verdict.retryAfterMs).toBeLessThanOrEqual(300_000);
              expect(Number.isInteger(verdict.retryAfterMs)).toBe(true);
              if (patienceMs > 0 && fields.sloTtftMs === undefined) expect(waiting.size).toBeGreaterThan(0);
            }
          } else if (taken.kind === "remove") {
            const id = `r${taken.index}`;
            const expected = waiting.get(id);
            const removed = queue.remove(id);
            expect(removed).toBe(expected);
            if (removed !== undefined) leave(removed);
          } else if (taken.kind === "expire") {
            const overdue = [...waiting.values()].filter(({ deadlineAtMs }) => deadlineAtMs <= nowMs);
            const expired = queue.expire(nowMs);
            expect(new Set(expired)).toEqual(new Set(overdue));
            for (const request of expired) leave(request);
          } else {
            const fits = ({ promptTokens }: QueuedRequest<undefined>) => promptTokens <= taken.mostPromptTokens;
            const placeable = [...waiting.values()].filter((request) => fits(request) && request.deadlineAtMs > nowMs);
            const placed = queue.next(nowMs, fits);
            if (placed === undefined) expect(placeable).toEqual([]);
            else {
              leave(placed);
              expect(placeable).toContain(placed);
              const { deadlineAtMs, enqueuedAtMs } = placed;
              const isCalled = deadlineAtMs - nowMs <= LAST_CALL_SHARE * (deadlineAtMs - enqueuedAtMs);
              for (const other of placeable) {
                if (!isCalled && other.priority === placed.priority && other.key === placed.key) {
                  expect(stretchOf(placed)).toBeLessThanOrEqual(stretchOf(other));
                }
                if (other.priority > placed.priority) {
                  const lower = [...waiting.values(), placed].filter(({ priority }) => priority === placed.priority);
                  const oldest = Math.min(...lower.map(({ enqueuedAtMs }) => enqueuedAtMs));
                  expect(nowMs - oldest).toBeGreaterThanOrEqual(AGED_AFTER_MS);
                }
              }
            }
          }
          expect(queue.size).toBe(waiting.size);
          expect(queue.size).toBeLessThanOrEqual(MOST_WAITING);
        });
        const view = queue.inspect(nowMs);
        expect(view).toMatchObject({
          accepted,
          waiting: waiting.size,
          promptTokens: [...waiting.values()].reduce((sum, { promptTokens }) => sum + promptTokens, 0),
        });
        expect(view.placed + view.removed + view.expired + view.waiting).toBe(accepted);
        expect(view.priorities.reduce((sum, { waiting: size }) => sum + size, 0)).toBe(waiting.size);
        const ahead = [...waiting.keys()].map((id) => queue.aheadOf(id)).sort((a, b) => Number(a) - Number(b));
        expect(ahead).toEqual(ahead.map((_, i) => i));
        for (const request of queue.expire(Number.POSITIVE_INFINITY)) leave(request);
        expect(waiting.size).toBe(0);
        expect(queue.inspect(nowMs)).toMatchObject({ waiting: 0, promptTokens: 0, workTokens: 0, priorities: [] });
      }),
      { numRuns: 500 },
    );
  });

  it("always serves the key that was served least for its weight, of those that all want more", () => {
    const key = fc.record({
      weight: fc.integer({ min: 1, max: 5 }),
      promptTokens: fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 40, maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.array(key, { minLength: 2, maxLength: 12 }), fc.integer({ min: 1, max: 40 }), (keys, turns) => {
        const queue = flatQueue({ weightOf: (name) => keys[Number(name)]?.weight ?? 1 });
        keys.forEach(({ promptTokens }, name) => {
          for (const [i, tokens] of promptTokens.entries()) {
            queue.offer(asked(`${name}/${i}`, { key: String(name), promptTokens: tokens }), 0);
          }
        });
        const served = keys.map(() => 0);
        for (let turn = 0; turn < turns; turn++) {
          const { key: name, promptTokens } = queue.next(1, () => true) ?? asked("none");
          expect(served[Number(name)]).toBe(Math.min(...served));
          served[Number(name)] = (served[Number(name)] ?? 0) + promptTokens / (keys[Number(name)]?.weight ?? 1);
        }
      }),
    );
  });
});
