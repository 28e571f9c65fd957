import type { Dict, Value } from "../prefix/python/value.ts";
import { loadSegmentHasher, type SegmentHasher } from "../prefix/segment-hash.ts";
import type { KeySettings } from "../settings/settings.ts";
import type { GenerationRequest } from "./generation-request.ts";

/** What ties requests together, as hashes under the deployment's secret: the router learns no name and no text. */
export type RequestAffinity = {
  /** The session the client names. */
  readonly session: string | undefined;
  /** The end user the client names, else the API key. */
  readonly user: string;
  /** How the conversation begins; undefined where it does not begin with text. */
  readonly opening: string | undefined;
};

/** Carries a session's name both ways, as in AIBrix. */
export const SESSION_HEADER = "x-session-id";
/** In the order in which they are looked for: our own, then AIBrix, SMG and Dynamo. */
const SESSION_HEADERS = [SESSION_HEADER, "x-aibrix-session-key", "x-smg-routing-key", "x-dynamo-session-id"];
/** Longer names are cut: a header of 256 bytes is AIBrix's bound. */
const MOST_NAME_UNITS = 256;
/** KubeAI's `prefixCharLength`. */
const OPENING_CHARACTERS = 100;

const encoder = new TextEncoder();

/** What the client calls its session; undefined where it names none. */
export function sessionName(headers: Headers, { body }: GenerationRequest): string | undefined {
  const named = SESSION_HEADERS.map((name) => headers.get(name)).find((value) => value);
  return (named ?? textOf(body.get("prompt_cache_key")))?.slice(0, MOST_NAME_UNITS) || undefined;
}

/**
 * Hashes it from the session's name, the headers and the body. A name counts within its API key only, so that tenants cannot meet by accident;
 * an opening is the same for all, as the caches are.
 */
export async function requestAffinity(
  sessionNamed: string | undefined,
  headers: Headers,
  request: GenerationRequest,
  key: KeySettings,
  secret: string,
): Promise<RequestAffinity> {
  const hasher = await loadSegmentHasher();
  const hash = (kind: string, text: string | undefined, scope: string) =>
    text ? textHash(hasher, [secret, kind, scope, text]) : undefined;
  const user = headers.get("user") ?? textOf(request.body.get("user"));
  return {
    session: hash("session", sessionNamed, key.id),
    user: hash("user", user?.slice(0, MOST_NAME_UNITS), key.id) ?? textHash(hasher, [secret, "key", key.id]),
    opening: hash("opening", openingOf(request), ""),
  };
}

/** The first characters of the first user message, or of the prompt. */
function openingOf({ endpoint, body }: GenerationRequest): string | undefined {
  const text = endpoint === "completions" ? textOf(body.get("prompt")) : firstUserText(body);
  // Cut between characters: half of one would not be the same text on every platform.
  return text === undefined
    ? undefined
    : [...text.slice(0, 2 * OPENING_CHARACTERS)].slice(0, OPENING_CHARACTERS).join("");
}

function firstUserText(body: Dict): string | undefined {
  const messages = body.get("messages");
  if (!Array.isArray(messages)) return undefined;
  const first = messages.find((message) => message instanceof Map && message.get("role") === "user");
  const content = first instanceof Map ? first.get("content") : undefined;
  if (!Array.isArray(content)) return textOf(content);
  const part = content.find((each) => each instanceof Map && typeof each.get("text") === "string");
  return part instanceof Map ? textOf(part.get("text")) : undefined;
}

function textOf(value: Value | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** 16 hex digits. */
function textHash(hasher: SegmentHasher, parts: readonly string[]): string {
  const bytes = encoder.encode(JSON.stringify(parts));
  const [low = 0, high = 0] = hasher.chain(bytes, 0n, bytes.byteLength, 1);
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}
