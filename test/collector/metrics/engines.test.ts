import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { detectEngine, engineOfOwner, readEngineMetrics } from "../../../src/collector/metrics/engines.ts";

function fixture(file: string): string {
  return readFileSync(new URL(`../../../../shared/fixtures/metrics/${file}`, import.meta.url), "utf8");
}

const oneVllm = {
  sample: {
    running: 24,
    waiting: 1,
    kvUsage: 0.65,
    prefixQueryTokens: 369_152,
    prefixHitTokens: 219_184,
    promptTokens: 369_152,
    generationTokens: 9_987,
    timedRequests: 303,
    queueS: 15.72199048111807,
    firstTokenS: 48.859262979470294,
    requestS: 1_118.469946055321,
    runningAdapters: ["sql-lora", "chat-lora"],
    waitingAdapters: ["code-lora"],
    mostAdapters: 4,
  },
  capacityTokens: 442_368,
  blockTokens: 16,
  promptTokens: 369_152,
};

describe("readEngineMetrics", () => {
  it.each([
    ["vllm.prom", { ...oneVllm, awake: true, startTimeS: 1_795_226_741.6 }],
    ["vllm-0.9.0.prom", { ...oneVllm, awake: undefined, startTimeS: 1_795_226_742.22 }],
    ["vllm-0.10.0.prom", { ...oneVllm, awake: undefined, startTimeS: 1_795_226_742.69 }],
    [
      "vllm-0.23.0-dp2.prom",
      {
        sample: {
          running: 48,
          waiting: 0,
          kvUsage: 0.65,
          prefixQueryTokens: 742_400,
          prefixHitTokens: 440_800,
          promptTokens: 742_400,
          generationTokens: 9_961 + 9_921,
          timedRequests: 313 + 308,
          queueS: 15.088082014341097 + 15.389379647461677,
          firstTokenS: 47.82828867517687 + 51.63339047712043,
          requestS: 1_227.3600941042494 + 1_173.388853392474,
        },
        capacityTokens: 884_736,
        blockTokens: 16,
        promptTokens: 742_400,
        awake: true,
        startTimeS: 1_795_226_743.05,
      },
    ],
  ])("reads %s", (file, reading) => {
    expect(detectEngine(fixture(file))).toBe("vllm");
    expect(readEngineMetrics("vllm", fixture(file))).toEqual(reading);
  });

  it("reads sglang.prom", () => {
    expect(detectEngine(fixture("sglang.prom"))).toBe("sglang");
    expect(readEngineMetrics("sglang", fixture("sglang.prom"))).toEqual({
      sample: {
        running: 24,
        waiting: 0,
        kvUsage: 0.5899997287326388,
        prefixQueryTokens: 192_256,
        prefixHitTokens: 105_856,
        utilization: 1,
        generationTokensPerS: 1_471.1999999999998,
        promptTokens: 192_256,
        generationTokens: 32_961,
        timedRequests: 200,
        queueS: 6.999006527183665,
        firstTokenS: 29.45939258447942,
        requestS: 665.9601830678891,
      },
      capacityTokens: 442_368,
      blockTokens: 64,
      promptTokens: 192_256,
      awake: undefined,
      startTimeS: undefined,
    });
  });

  it("reads trtllm.prom", () => {
    expect(detectEngine(fixture("trtllm.prom"))).toBe("trtllm");
    expect(readEngineMetrics("trtllm", fixture("trtllm.prom"))).toEqual({
      sample: {
        running: 17,
        waiting: 3,
        kvUsage: 0.4126,
        prefixQueryTokens: 242_944,
        prefixHitTokens: 129_856,
        promptTokens: 242_944,
        generationTokens: 40_682,
        timedRequests: 240,
        queueS: 5.865470576855187,
        firstTokenS: 36.60184002340764,
        requestS: 538.6757794635342,
      },
      capacityTokens: 442_368,
      blockTokens: 32,
      promptTokens: 242_944,
      awake: undefined,
      startTimeS: undefined,
    });
  });

  it.each(["vllm", "sglang", "trtllm"] as const)(
    "takes a gauge that %s does not report for unknown, never for 0",
    (engine) => {
      const { sample, ...rest } = readEngineMetrics(engine, "python_info 1\n");
      expect(Object.values({ ...sample, ...rest }).every((value) => value === undefined)).toBe(true);
    },
  );

  it.each(["NaN", "-1", "+Inf"])("takes a gauge of %s for unknown", (value) => {
    expect(readEngineMetrics("vllm", `vllm:num_requests_running ${value}\n`).sample.running).toBeUndefined();
  });

  it("adds SGLang's data-parallel ranks up, but counts tensor-parallel ranks and processes once", () => {
    const series = [
      'sglang:num_running_reqs{dp_rank="0",tp_rank="0"} 3',
      'sglang:num_running_reqs{dp_rank="0",tp_rank="1"} 3',
      'sglang:num_running_reqs{dp_rank="1",tp_rank="0",pid="7"} 4',
      'sglang:num_running_reqs{dp_rank="1",tp_rank="0",pid="8"} 0',
      'sglang:token_usage{dp_rank="0",tp_rank="0"} 0.2',
      'sglang:token_usage{dp_rank="1",tp_rank="0"} 0.6',
      'sglang:max_total_num_tokens{dp_rank="0",tp_rank="0"} 1000',
      'sglang:max_total_num_tokens{dp_rank="1",tp_rank="0"} 1000',
    ];
    expect(readEngineMetrics("sglang", series.join("\n"))).toMatchObject({
      sample: { running: 7, kvUsage: 0.4 },
      capacityTokens: 2000,
    });
  });

  it.each([
    ["takes the total over priorities", ['{priority=""} 5', '{priority="1"} 2', '{priority="2"} 3']],
    ["adds priorities up where there is no total", ['{priority="1"} 2', '{priority="2"} 3']],
  ])("%s of SGLang", (_, lines) => {
    const text = lines.map((line) => `sglang:num_queue_reqs${line}`).join("\n");
    expect(readEngineMetrics("sglang", text).sample.waiting).toBe(5);
  });

  it.each([
    ["sources", ['{cache_source="device"} 5', '{cache_source="host"} 2', '{cache_source="storage_file"} 1'], 8],
    ["the total", ['{cache_source="total"} 9', '{cache_source="device"} 5'], 9],
  ])("reads SGLang's cached tokens by %s", (_, lines, tokens) => {
    const text = lines.map((line) => `sglang:cached_tokens_total${line}`).join("\n");
    expect(readEngineMetrics("sglang", text).sample.prefixHitTokens).toBe(tokens);
  });

  it("reads the page size of SGLang up to 0.5.10", () => {
    const text = 'sglang:cache_config_info{page_size="32",num_pages="100"} 1';
    expect(readEngineMetrics("sglang", text).blockTokens).toBe(32);
  });

  it("knows that a vLLM engine sleeps when one of its ranks does", () => {
    const text = ["0", "1"].map((rank) => `vllm:engine_sleep_state{engine="${rank}",sleep_state="awake"} ${rank}`);
    expect(readEngineMetrics("vllm", text.join("\n")).awake).toBe(false);
  });

  it("reads the newest of vLLM's series about adapters, wherever it stands", () => {
    const info = (running: string, at: number) =>
      `vllm:lora_requests_info{max_lora="2",running_lora_adapters="${running}",waiting_lora_adapters=""} ${at}`;
    const { sample } = readEngineMetrics("vllm", [info("a", 1.5e9), info("", 1.7e9), info("a,b", 1.6e9)].join("\n"));
    expect(sample).toMatchObject({ runningAdapters: [], waitingAdapters: [], mostAdapters: 2 });
  });

  it("does not take None for a number", () => {
    const text = 'vllm:cache_config_info{block_size="16",num_gpu_blocks="None"} 1';
    expect(readEngineMetrics("vllm", text)).toMatchObject({ blockTokens: 16, capacityTokens: undefined });
  });
});

describe("detectEngine", () => {
  it("knows nothing of other programs", () => {
    expect(detectEngine("# HELP vllm:x mentions it\nprocess_cpu_seconds_total 1\n")).toBeUndefined();
  });
});

describe("engineOfOwner", () => {
  it.each([
    ["vllm", "vllm"],
    ["sglang", "sglang"],
    ["tensorrt_llm", "trtllm"],
    ["somebody", undefined],
    [undefined, undefined],
  ])("takes %s for %s", (owner, engine) => {
    expect(engineOfOwner(owner)).toBe(engine);
  });
});
