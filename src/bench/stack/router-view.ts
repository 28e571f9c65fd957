import { z } from "zod";

const viewSchema = z.looseObject({
  leases: z.number(),
  confirmedClaims: z.number(),
  pods: z.array(
    z.looseObject({
      id: z.string(),
      state: z.string(),
      inFlight: z.number(),
      index: z.object({ mode: z.string(), reason: z.string().optional() }),
    }),
  ),
});

/** A model's router as the admin API shows it. */
export type RouterFigures = z.infer<typeof viewSchema>;

/** Asks the edge's admin API about a model. Rejects if it does not answer. */
export async function readRouter(edgeUrl: string, adminKey: string, model: string): Promise<RouterFigures> {
  const answer = await fetch(`${edgeUrl}/admin/v1/models/${model}`, {
    headers: { authorization: `Bearer ${adminKey}` },
  });
  if (!answer.ok) throw new Error(`the admin API answered ${answer.status}: ${await answer.text()}`);
  return viewSchema.parse(await answer.json());
}

const claimsSchema = z.object({ gpu: z.array(z.string()), host: z.array(z.string()) });

/** The segment hashes that events confirm of a pod, in any tier. */
export async function readClaims(edgeUrl: string, adminKey: string, model: string, pod: string): Promise<string[]> {
  const query = new URLSearchParams({ model, pod });
  const answer = await fetch(`${edgeUrl}/admin/v1/claims?${query}`, {
    headers: { authorization: `Bearer ${adminKey}` },
  });
  if (!answer.ok) throw new Error(`the admin API answered ${answer.status}: ${await answer.text()}`);
  const { gpu, host } = claimsSchema.parse(await answer.json());
  return [...gpu, ...host];
}
