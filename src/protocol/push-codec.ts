import { decode, encode } from "@msgpack/msgpack";
import { isWholeMessagePack } from "./message-pack-shape.ts";
import { type PushMessage, pushMessageSchema } from "./push-message.ts";

/** Why a push body could not be read. */
export type PushDecodeError = {
  readonly reason: "not_gzip" | "too_large" | "not_msgpack" | "bad_shape";
  readonly message: string;
};

export type PushDecodeResult =
  | { readonly ok: true; readonly push: PushMessage }
  | { readonly ok: false; readonly error: PushDecodeError };

/** A push's body: MessagePack, then gzip. */
export async function encodePush(push: PushMessage): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([encode(push, { ignoreUndefined: true })]);
  const zipped = packed.stream().pipeThrough(new CompressionStream("gzip"));
  // Not `Response.arrayBuffer`: a process that only pushes would load all of Node's fetch for it (14 MB).
  const chunks: Uint8Array[] = [];
  for (const reader = zipped.getReader(); ; ) {
    const { value, done } = await reader.read();
    if (done) return joined(chunks);
    chunks.push(value);
  }
}

/**
 * Reads a push body. Inflating stops at `maxBytes`, so a small body cannot ask for unbounded memory.
 * The result names what is wrong and never throws for bad input.
 */
export async function decodePush(body: Uint8Array<ArrayBuffer>, maxBytes: number): Promise<PushDecodeResult> {
  const inflated = await inflate(body, maxBytes);
  if (inflated === "not_gzip") return failure("not_gzip", "the body is not gzip");
  if (inflated === "too_large") return failure("too_large", `the body inflates to more than ${maxBytes} bytes`);
  if (!isWholeMessagePack(inflated)) {
    return failure("not_msgpack", "the body is not MessagePack: its lengths do not fit its bytes");
  }
  let value: unknown;
  try {
    value = decode(inflated);
  } catch (error) {
    return failure("not_msgpack", `the body is not MessagePack: ${String(error)}`);
  }
  const parsed = pushMessageSchema.safeParse(value);
  if (parsed.success) return { ok: true, push: parsed.data };
  const issue = parsed.error.issues[0];
  return failure("bad_shape", issue ? `${issue.path.join(".") || "push"}: ${issue.message}` : "unknown shape");
}

async function inflate(
  body: Uint8Array<ArrayBuffer>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | "not_gzip" | "too_large"> {
  const reader = new Blob([body]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return joined(chunks);
      length += value.byteLength;
      if (length > maxBytes) {
        await reader.cancel();
        return "too_large";
      }
      chunks.push(value);
    }
  } catch {
    // Both runtimes report bad or truncated gzip only as a rejected read, each with its own text.
    return "not_gzip";
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.byteLength, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

function failure(reason: PushDecodeError["reason"], message: string): PushDecodeResult {
  return { ok: false, error: { reason, message } };
}
