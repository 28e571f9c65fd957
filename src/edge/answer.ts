import type { BegunAnswer } from "./attempt.ts";
import type { ClientStream } from "./client-stream.ts";
import { StreamUsage, type Usage } from "./usage.ts";

/** How the rest of a begun answer is passed on. */
export type PassingOn = {
  readonly client: ClientStream;
  /**
   * `pipe`: natively. The others read every chunk in JavaScript, at several times the CPU: to watch for silence, to
   * read the usage as well, or to read it and take it out again.
   */
  readonly reading: "pipe" | "watch" | "read" | "strip";
  /** Called when reading begins to wait for the pod, and when something came. Not called for `pipe`. */
  readonly onWaiting: (waits: boolean) => void;
};

/** Passes a begun answer on to its end. Returns the usage where it was read. Rejects if either side breaks. */
export async function passOn(begun: BegunAnswer, passing: PassingOn): Promise<Usage | undefined> {
  if (passing.reading !== "pipe") return await pump(begun, passing);
  const { first, reader, response } = begun;
  await passing.client.write(first);
  reader.releaseLock();
  await passing.client.pipe(response.body as ReadableStream<Uint8Array>);
  return undefined;
}

async function pump({ first, reader }: BegunAnswer, passing: PassingOn): Promise<Usage | undefined> {
  const { client, reading, onWaiting } = passing;
  const usage = reading === "watch" ? undefined : new StreamUsage(reading === "strip");
  try {
    for (let chunk: Uint8Array | undefined = first; chunk !== undefined; ) {
      const passed = usage?.push(chunk) ?? chunk;
      if (passed.byteLength > 0) await client.write(passed);
      onWaiting(true);
      chunk = (await reader.read()).value;
      onWaiting(false);
    }
    const rest = usage?.end();
    if (rest !== undefined && rest.byteLength > 0) await client.write(rest);
    await client.close();
    return usage?.usage;
  } catch (error) {
    reader.cancel(error).catch(() => {
      // The upstream side is the one that broke: there is nothing left to cancel.
    });
    throw error;
  }
}

/** The upstream's headers as they go to the client, with those the edge adds. */
export function replyHeaders(ofPod: Headers, added: Headers): Headers {
  const headers = new Headers(ofPod);
  headers.delete("connection");
  headers.delete("keep-alive");
  headers.delete("transfer-encoding");
  headers.delete("content-length");
  for (const [name, value] of added) headers.set(name, value);
  return headers;
}
