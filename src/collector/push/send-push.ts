import { encodePush } from "../../protocol/push-codec.ts";
import { type PushMessage, type PushReply, pushReplySchema } from "../../protocol/push-message.ts";
import type { EdgeRequests } from "./edge-requests.ts";

export const PUSH_PATH = "/collector/v1/push";

export type PushOutcome =
  | { readonly kind: "acknowledged"; readonly reply: PushReply }
  /** The edge already has this sequence number: the reply to an earlier attempt was lost. */
  | { readonly kind: "replayed" }
  /** A 4xx. The edge did not take the push. */
  | { readonly kind: "refused"; readonly status: number; readonly reason: string }
  /** Nobody knows whether the edge took the push. */
  | { readonly kind: "unreachable"; readonly reason: string };

/** Sends a push. Never rejects. */
export async function sendPush(edge: EdgeRequests, message: PushMessage): Promise<PushOutcome> {
  const answer = await edge.send({ method: "POST", path: PUSH_PATH, body: await encodePush(message) });
  if (answer.kind === "unreachable") return answer;
  const { status, header, text } = answer;
  if (status >= 200 && status < 300) return readReply(text);
  if (status >= 500) return { kind: "unreachable", reason: `the edge answered ${status}` };
  const reason = header("x-warmpath-reason") ?? reasonIn(text) ?? "no reason given";
  if (status === 409 && reason === "push_replayed") return { kind: "replayed" };
  return { kind: "refused", status, reason };
}

/** A reply that cannot be read is as good as none. */
function readReply(text: string): PushOutcome {
  const reply = pushReplySchema.safeParse(parseJson(text));
  if (reply.success) return { kind: "acknowledged", reply: reply.data };
  return { kind: "unreachable", reason: "the edge's reply is not a push reply" };
}

/** `{"error":{"code": ...}}`, as the edge answers errors. */
function reasonIn(text: string): string | undefined {
  const body = parseJson(text);
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  const { error } = body;
  if (typeof error !== "object" || error === null) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  return "message" in error && typeof error.message === "string" ? error.message : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An intermediary's HTML page, say: the caller treats "not JSON" and "wrong JSON" alike.
    return undefined;
  }
}
