import * as z from "zod";
import { toHex } from "./hex.ts";
import { importHmacKey } from "./hmac-key.ts";
import { type PromptSettings, promptSettingsSchema } from "./prompt-settings.ts";

/**
 * What a collector asks the edge for before it can prove anything: `GET /collector/v1/renderings/{model}`, signed like a
 * push, answers how the edge turns that model's requests into hashed text.
 */
export const RENDERINGS_PATH = "/collector/v1/renderings/";

export const modelRenderingSchema = z.object({
  /** The base model's name in the edge's settings. */
  model: z.string().min(1).max(256),
  segmentBytes: z.number().int().min(32).max(4096),
  prompt: promptSettingsSchema,
  /** `renderingDigest` of the rest. A collector whose own one differs has another hash secret. */
  digest: z.string().regex(/^[0-9a-f]{32}$/),
});
export type ModelRendering = z.infer<typeof modelRenderingSchema>;

const DIGEST_BYTES = 16;

/**
 * Names a way of rendering and hashing: 16 bytes of HMAC-SHA256 by the hash secret, as hex. A pod's `exact` index holds
 * for the rendering that it was proven with, and for no other.
 */
export async function renderingDigest(
  hashSecret: string,
  rendering: { readonly model: string; readonly segmentBytes: number; readonly prompt: PromptSettings },
): Promise<string> {
  const { model, segmentBytes, prompt } = rendering;
  // Read by the schema, so that equal settings have equal text, whatever order their fields were written in.
  const text = new TextEncoder().encode(JSON.stringify([model, segmentBytes, promptSettingsSchema.parse(prompt)]));
  const code = await crypto.subtle.sign("HMAC", await importHmacKey(hashSecret), text);
  return toHex(new Uint8Array(code, 0, DIGEST_BYTES));
}
