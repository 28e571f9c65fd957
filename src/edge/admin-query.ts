import type * as z from "zod";
import { Refusal } from "./refusal.ts";

/** A request's query, checked. Throws a Refusal that names the first wrong parameter. */
export function readQuery<Query>(request: Request, schema: z.ZodType<Query>): Query {
  const read = schema.safeParse(Object.fromEntries(new URL(request.url).searchParams));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const param = issue?.path.join(".") ?? "";
  throw new Refusal("bad_field", `${param}: ${issue?.message ?? "not as expected"}`, { param });
}
