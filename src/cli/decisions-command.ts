import { Command } from "commander";
import { askEdge, edgeOption } from "./edge-admin.ts";

type DecisionsOptions = {
  readonly edge: string;
  readonly model: string;
  readonly limit?: string;
  readonly since?: string;
};

/** `warmpath decisions`: prints the decisions a model's router has recorded, a line of JSON each. */
export function decisionsCommand(): Command {
  return new Command("decisions")
    .description("print the recorded decisions of a model, for `warmpath replay`; WARMPATH_ADMIN_KEY lets you ask")
    .addOption(edgeOption)
    .requiredOption("--model <name>", "the model")
    .option("--limit <n>", "the latest so many")
    .option("--since <time>", "only those since then: 2026-11-21T10:00:00Z, or milliseconds since 1970")
    .action(async (options: DecisionsOptions, command: Command) => {
      try {
        process.stdout.write(await recordedLines(options));
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}

/** The recorded decisions as JSON Lines, oldest first. */
export async function recordedLines({ edge, model, limit, since }: DecisionsOptions): Promise<string> {
  const query = new URLSearchParams({ model, ...(limit && { limit }), ...(since && { since }) });
  return (await askEdge({ edge, path: `/admin/v1/decisions?${query}` })).text();
}
