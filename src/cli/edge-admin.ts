import { Option } from "commander";
import * as z from "zod";

/** The option that names the edge. */
export const edgeOption = new Option("--edge <url>", "the edge's URL")
  .env("WARMPATH_EDGE")
  .default("http://127.0.0.1:8787");

const refusalSchema = z.object({ error: z.object({ message: z.string() }) });

/** A call of the admin API: path with query, and what `fetch` takes. */
export type AdminCall = { readonly edge: string; readonly path: string; readonly init?: RequestInit };

/**
 * Calls the admin API with the key in WARMPATH_ADMIN_KEY. Rejects with a sentence for the user where there is no key, no
 * edge, or no.
 */
export async function askEdge({ edge, path, init = {} }: AdminCall): Promise<Response> {
  const key = process.env.WARMPATH_ADMIN_KEY;
  if (!key) throw new Error("set WARMPATH_ADMIN_KEY to the deployment's admin key first");
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${key}`);
  const url = new URL(path, edge);
  const answer = await fetch(url, { ...init, headers }).catch((error: Error) => {
    throw new Error(
      `${url.origin} cannot be reached: ${error.cause instanceof Error ? error.cause.message : error.message}`,
    );
  });
  if (answer.ok) return answer;
  const refusal = refusalSchema.safeParse(await answer.json().catch(() => undefined));
  throw new Error(refusal.success ? refusal.data.error.message : `${url.origin} answered ${answer.status}`);
}
