/** The collector's command line; `--help` lists it. */
import { Command } from "commander";
import { pino } from "pino";
import * as z from "zod";
import { startCollector } from "./collector.ts";

const nameText = z
  .string()
  .max(512)
  .regex(/^[^\s/]+$/, "must be a name without spaces and slashes");

const optionsSchema = z.object({
  endpoints: z.string().min(1),
  edge: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }),
  cluster: nameText,
  source: nameText,
  keyEnv: z.string().min(1),
  logLevel: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]),
  metricsPort: z.coerce.number().int().min(0).max(65_535).optional(),
  stateDir: z.string().min(1).optional(),
  checkCoreShare: z.coerce.number().min(0).max(1),
  scrapeIntervalMs: z.coerce.number().int().min(100),
});

/** Holds what seeds segment hashes, as at the edge. */
const HASH_SECRET = "WARMPATH_HASH_SECRET";

async function main(): Promise<void> {
  const command: Command = new Command("warmpath-collector")
    .description("Follows engines and pushes their state to the edge")
    .requiredOption("--endpoints <file>", "YAML list of engines, re-read when it changes")
    .requiredOption("--edge <url>", "where the edge answers")
    .requiredOption("--cluster <name>", "this cluster's name in the edge's settings")
    .requiredOption("--source <name>", "this collector's name: stable over restarts, unique in its cluster")
    .option("--key-env <variable>", "environment variable with the cluster's key", "WARMPATH_CLUSTER_KEY")
    .option("--log-level <level>", "fatal to trace, or silent", "info")
    .option("--metrics-port <port>", "serve the collector's own metrics on 127.0.0.1")
    .option("--state-dir <folder>", "keep tables of what pods have cached here, to go on from after a restart")
    .option("--check-core-share <share>", "of one core, for checking whether answers are tokenized alike again", "0.25")
    .option("--scrape-interval-ms <ms>", "time between two looks at an engine", "1000")
    .parse();
  const parsed = optionsSchema.safeParse(command.opts());
  if (!parsed.success) {
    command.error(parsed.error.issues.map((issue) => `${flagOf(issue.path)}: ${issue.message}`).join("\n"));
  }
  const options = parsed.data;
  const clusterKey = process.env[options.keyEnv];
  if (!clusterKey) command.error(`environment variable ${options.keyEnv} holds no key`);
  const log = pino({ level: options.logLevel });
  const ended = new Promise<string>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, resolve);
  });
  const collector = await startCollector({
    endpointsFile: options.endpoints,
    edgeUrl: options.edge,
    cluster: options.cluster,
    source: options.source,
    clusterKey,
    log,
    metricsPort: options.metricsPort,
    timing: { scrapeEveryMs: options.scrapeIntervalMs },
    stateDir: options.stateDir,
    checkCoreShare: options.checkCoreShare,
    hashSecret: process.env[HASH_SECRET] || undefined,
    env: process.env,
  }).catch((error: unknown) => command.error(error instanceof Error ? error.message : String(error)));
  if (!process.env[HASH_SECRET]) log.warn(`${HASH_SECRET} is not set: KV events do not become claims`);
  if (collector.metricsUrl !== undefined) log.info({ url: collector.metricsUrl }, "metrics");
  const signal = await ended;
  log.info({ signal }, "ending");
  await collector.close();
}

/** `metricsPort` -> `--metrics-port` */
function flagOf(path: readonly PropertyKey[]): string {
  return `--${path
    .map(String)
    .join(".")
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

await main();
