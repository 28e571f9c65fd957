import { Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { blockHashAlgorithms } from "./block-hash.ts";
import { startEngine } from "./engine.ts";
import { type EngineOptionsInput, engineOptionsSchema, hybridKinds } from "./engine-options.ts";
import { kvEventEncodings } from "./kv-event-encoder.ts";
import { replayLayouts } from "./kv-event-publisher.ts";
import type { SimulatedEngine } from "./simulated-engine.ts";
import { windowRetentions } from "./sliding-window-group.ts";
import { engineProfiles } from "./step-time.ts";

const PORTS_PER_ENGINE = 4;

const commandSchema = z.looseObject({
  count: z.int().min(1).max(256),
  basePort: z.int().min(0).max(65_535),
  namePrefix: z.string(),
  servedName: z.array(z.string()).optional(),
  adapter: z.array(z.string()).optional(),
});

function readNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("a number is needed");
  return value;
}

function createCommand(): Command {
  const numberOption = (flags: string, what: string): Option => new Option(flags, what).argParser(readNumber);
  return new Command("warmpath-engine")
    .description("Simulated vLLM engines: real HTTP, real ZMQ, real tokenizer, simulated time")
    .addOption(numberOption("--count <n>", "engines in this process").default(1))
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .addOption(
      numberOption("--base-port <port>", "engine i has ports base+4i: API, events, replay, control; 0: any").default(0),
    )
    .option("--name-prefix <text>", "engines are called PREFIX-0, PREFIX-1, ...", "engine")
    .option("--model <name>", "base model", "qwen3-8b")
    .option("--served-name <name...>", "names the model answers to")
    .option("--adapter <name...>", "LoRA adapters")
    .addOption(new Option("--profile <name>", "step time constants").choices(Object.keys(engineProfiles)))
    .addOption(numberOption("--prefill-tokens-per-s <rate>", "flat prefill rate in place of the profile's"))
    .addOption(numberOption("--kv-tokens <n>", "KV cache size, in tokens that all layers keep"))
    .addOption(numberOption("--block-tokens <n>", "tokens of a block"))
    .addOption(
      new Option("--hybrid <kind>", "second KV cache group: layers with a sliding window").choices(hybridKinds),
    )
    .addOption(numberOption("--window-tokens <n>", "window of a hybrid model"))
    .addOption(new Option("--window-retention <kind>", "what a window group caches").choices(windowRetentions))
    .addOption(numberOption("--time-scale <x>", "simulated time runs x times faster than the wall clock"))
    .addOption(numberOption("--max-num-seqs <n>", "most running sequences"))
    .addOption(numberOption("--token-budget <n>", "most tokens in one step"))
    .addOption(numberOption("--max-model-len <n>", "context length"))
    .addOption(new Option("--event-encoding <kind>", "KV event encoding").choices(kvEventEncodings))
    .addOption(new Option("--replay-layout <kind>", "layout of replay replies").choices(replayLayouts))
    .option("--event-topic <text>", "topic frame of KV events")
    .addOption(numberOption("--buffer-steps <n>", "batches kept for replay"))
    .addOption(new Option("--block-hash <algorithm>", "block hashes").choices(blockHashAlgorithms))
    .option("--no-render-routes", "no /v1/chat/completions/render, as before vLLM had it")
    .option("--no-tokenizer-info", "no /tokenizer_info, which real servers have only if told to")
    .option("--api-key <key>", "key that /v1 asks for")
    .option("--no-kv-events", "publish no KV events")
    .addOption(numberOption("--seed <n>", "seed of answers and block hashes"))
    .addOption(
      numberOption("--noncanonical-share <share>", "share of answers with words in other tokens than the tokenizer's"),
    );
}

function enginesOf(options: Record<string, unknown>): EngineOptionsInput[] {
  const command = commandSchema.parse(options);
  const shared = { ...options, servedNames: command.servedName ?? [], adapters: command.adapter ?? [] };
  return Array.from({ length: command.count }, (_, index) => {
    const base = command.basePort === 0 ? null : command.basePort + PORTS_PER_ENGINE * index;
    return engineOptionsSchema.parse({
      ...shared,
      name: `${command.namePrefix}-${index}`,
      httpPort: base ?? 0,
      eventPort: base === null ? 0 : base + 1,
      replayPort: base === null ? 0 : base + 2,
      controlPort: base === null ? 0 : base + 3,
    });
  });
}

function describe(engine: SimulatedEngine): unknown {
  const { name, url, kvEvents, kvReplay, control, epoch } = engine;
  return { name, url, kvEvents, kvReplay, control, epoch };
}

async function main(): Promise<void> {
  const command = createCommand().parse();
  const engines = await Promise.all(enginesOf(command.opts()).map(startEngine));
  const stop = (): void => {
    Promise.all(engines.map((engine) => engine.close())).then(() => process.exit(0));
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  process.stdout.write(`${JSON.stringify({ engines: engines.map(describe) })}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof z.ZodError ? z.prettifyError(error) : String(error)}\n`);
  process.exitCode = 1;
});
