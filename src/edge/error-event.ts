import { errorEnvelope, type Refusal } from "./refusal.ts";

/** The last event of a stream that cannot go on: the engine's own error where its body holds one, else the refusal. */
export function errorEvent(refusal: Refusal, engineBody?: Uint8Array): object {
  return (engineBody && engineError(engineBody)) ?? errorEnvelope(refusal);
}

function engineError(bytes: Uint8Array): object | undefined {
  try {
    const body = JSON.parse(new TextDecoder().decode(bytes)) as { error?: unknown } | null;
    return typeof body?.error === "object" && body.error !== null ? { error: body.error } : undefined;
  } catch {
    // No JSON: the edge's own words have to do.
    return undefined;
  }
}
