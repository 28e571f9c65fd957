import { describe, expect, it } from "vitest";
import { type GenerationEndpoint, readGenerationRequest } from "../../src/edge/generation-request.ts";
import { requestAffinity, sessionName } from "../../src/edge/request-affinity.ts";

const alice = { id: "alice", sha256: "", debug: false, priority: 0, weight: 1 };
const bob = { ...alice, id: "bob" };
const HASH = /^[0-9a-f]{16}$/;

type Asked = {
  readonly headers?: Record<string, string>;
  readonly body?: Record<string, unknown>;
  readonly endpoint?: GenerationEndpoint;
  readonly key?: typeof alice;
  readonly secret?: string;
};

function affinity({ headers = {}, body = {}, endpoint = "chat", key = alice, secret = "s" }: Asked) {
  const whole = { model: "m", messages: [{ role: "user", content: "hi" }], ...body };
  const request = readGenerationRequest(endpoint, new TextEncoder().encode(JSON.stringify(whole)));
  const given = new Headers(headers);
  return requestAffinity(sessionName(given, request), given, request, key, secret);
}

describe("a request's affinity", () => {
  it("is hashes, not names, and depends on the deployment's secret", async () => {
    const asked = { headers: { "x-session-id": "my session", user: "carol" } };
    const { session, user, opening } = await affinity(asked);
    for (const hash of [session, user, opening]) expect(hash).toMatch(HASH);
    expect(new Set([session, user, opening]).size).toBe(3);
    const other = await affinity({ ...asked, secret: "t" });
    expect([other.session, other.user, other.opening]).not.toContain(session);
    expect(await affinity(asked)).toEqual({ session, user, opening });
  });

  it.each([
    ["x-session-id", { headers: { "x-session-id": "s" } }],
    ["x-aibrix-session-key", { headers: { "x-aibrix-session-key": "s" } }],
    ["x-smg-routing-key", { headers: { "x-smg-routing-key": "s" } }],
    ["x-dynamo-session-id", { headers: { "x-dynamo-session-id": "s" } }],
    ["prompt_cache_key of the body", { body: { prompt_cache_key: "s" } }],
    [
      "the first of them",
      { headers: { "x-session-id": "s", "x-smg-routing-key": "t" }, body: { prompt_cache_key: "u" } },
    ],
  ])("has the session of %s", async (_, asked) => {
    expect((await affinity(asked)).session).toBe((await affinity({ headers: { "x-session-id": "s" } })).session);
  });

  it("has no session where the client names none", async () => {
    expect((await affinity({})).session).toBeUndefined();
    expect(
      (await affinity({ headers: { "x-session-id": "" }, body: { prompt_cache_key: 7 } })).session,
    ).toBeUndefined();
  });

  it("has the user of the header, else of the body, else the API key, and keeps keys apart", async () => {
    const userOf = async (asked: Asked) => (await affinity(asked)).user;
    expect(await userOf({ headers: { user: "carol" } })).toBe(await userOf({ body: { user: "carol" } }));
    expect(await userOf({})).toMatch(HASH);
    expect(await userOf({})).not.toBe(await userOf({ key: bob }));
    expect(await userOf({ body: { user: "carol" } })).not.toBe(await userOf({ body: { user: "carol" }, key: bob }));
    expect(await userOf({ body: { user: "alice" } })).not.toBe(await userOf({}));
  });

  it("has the first 100 characters of the first user message as its opening, for all keys alike", async () => {
    const openingOf = async (content: unknown, more: object = {}, key = alice) => {
      const messages = [
        { role: "system", content: `rules ${Math.random()}` },
        { role: "user", content },
      ];
      return (await affinity({ body: { messages: [...messages, more] }, key })).opening;
    };
    const text = "é🙂".repeat(50);
    const opening = await openingOf(text);
    expect(await openingOf(`${text} and more`, { role: "user", content: "then" }, bob)).toBe(opening);
    expect(await openingOf([{ type: "image_url" }, { type: "text", text: `${text}!` }])).toBe(opening);
    expect(await openingOf(`x${text}`)).not.toBe(opening);
    expect(await openingOf(undefined)).toBeUndefined();
    expect(await openingOf([{ type: "image_url" }])).toBeUndefined();
  });

  it("has a completion's prompt as its opening, where that is a text", async () => {
    const openingOf = async (prompt: unknown) =>
      (await affinity({ endpoint: "completions", body: { prompt } })).opening;
    expect(await openingOf("once upon a time")).toMatch(HASH);
    expect(await openingOf([1, 2, 3])).toBeUndefined();
  });
});
