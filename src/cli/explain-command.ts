import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import * as z from "zod";
import { askEdge, edgeOption } from "./edge-admin.ts";
import { explainReplySchema } from "./explain-reply.ts";
import { explainLines } from "./explain-text.ts";

type ExplainOptions = {
  readonly edge: string;
  readonly model?: string;
  readonly file?: string;
  readonly prompt?: string;
  readonly policy?: string;
  readonly session?: string;
  readonly key?: string;
  readonly header?: readonly string[];
  readonly exclude?: readonly string[];
  readonly json?: true;
};

const bodySchema = z.looseObject({ model: z.string().optional() });

/** `warmpath explain`: which pod a request would get, and why. */
export function explainCommand(): Command {
  return new Command("explain")
    .description("tell which pod a request would get, and why, without sending it; WARMPATH_ADMIN_KEY lets you ask")
    .addOption(edgeOption)
    .option("--model <name>", "the model; may be left out where the body names it")
    .option("--file <file>", "the body of a chat or completion request")
    .addOption(new Option("--prompt <text>", "a chat of this one message").conflicts("file"))
    .option("--policy <name>", "another policy than the request would be placed by")
    .option("--session <name>", "the session it belongs to")
    .option("--key <id>", "the API key it is sent with, by its id")
    .option("--header <line...>", "further headers, like 'x-slo-ttft-ms: 300'")
    .option("--exclude <pod...>", "ids of pods that it is not to go to")
    .option("--json", "print the edge's answer as it is")
    .action(async (options: ExplainOptions, command: Command) => {
      try {
        const reply = await explanation(options);
        if (options.json === true) console.log(JSON.stringify(reply, undefined, 2));
        else console.log(explainLines(explainReplySchema.parse(reply)).join("\n"));
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}

async function explanation(options: ExplainOptions): Promise<unknown> {
  const query = new URLSearchParams();
  for (const name of ["policy", "session", "key"] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  for (const pod of options.exclude ?? []) query.append("exclude", pod);
  const headers = new Headers((options.header ?? []).map(headerOf));
  headers.set("content-type", "application/json");
  const init = { method: "POST", headers, body: await bodyOf(options) };
  const answer = await askEdge({ edge: options.edge, path: `/admin/v1/explain?${query}`, init });
  return answer.json();
}

/** A file's text goes as it is: an engine's template may see how its numbers are written. */
async function bodyOf({ file, prompt, model }: ExplainOptions): Promise<string> {
  if (file === undefined) {
    if (prompt === undefined || model === undefined) throw new Error("give --file, or --model and --prompt");
    return JSON.stringify({ model, messages: [{ role: "user", content: prompt }] });
  }
  const text = await readFile(file, "utf8");
  const body = bodySchema.parse(JSON.parse(text));
  return model === undefined || body.model === model ? text : JSON.stringify({ ...body, model });
}

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(":");
  if (colon < 1) throw new Error(`"${line}" is no header: write NAME: VALUE`);
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}
