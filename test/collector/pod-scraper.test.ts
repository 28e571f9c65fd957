import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EngineApi } from "../../src/collector/engine-api.ts";
import { HttpRequests } from "../../src/collector/http-requests.ts";
import type { EngineKind } from "../../src/collector/metrics/engine-reading.ts";
import { PodScraper, type ScrapeRound } from "../../src/collector/pod-scraper.ts";
import { actAsVllm, TestEngine } from "./test-engine.ts";

let engine: TestEngine;
let http: HttpRequests;

beforeEach(async () => {
  engine = await TestEngine.start();
  http = new HttpRequests();
});

afterEach(async () => {
  http.close();
  await engine.close();
});

function scraper(options: { engine?: EngineKind; apiKey?: string; timeoutMs?: number; nowMs?: () => number } = {}) {
  const api = new EngineApi({
    url: engine.url,
    apiKey: options.apiKey,
    timeoutMs: options.timeoutMs ?? 5000,
    http,
    signal: new AbortController().signal,
  });
  return new PodScraper({ api, engine: options.engine, modelsEveryMs: 1000, nowMs: options.nowMs ?? (() => 0) });
}

function reasonOf(round: ScrapeRound): string {
  return round.ok ? "ok" : round.error.reason;
}

describe("PodScraper", () => {
  it("reads models, adapters, version and metrics of vLLM", async () => {
    actAsVllm(engine, { startTimeS: 7, running: 3 });
    expect(await scraper().round()).toMatchObject({
      ok: true,
      engine: "vllm",
      engineVersion: "0.23.0",
      models: { baseModel: "org/model", names: ["org/model", "sql-lora"], maxModelLen: 4096 },
      reading: { sample: { running: 3, waiting: 0, kvUsage: 0.25 }, capacityTokens: 1600, startTimeS: 7 },
    });
  });

  it("asks for models and version no more often than they change", async () => {
    actAsVllm(engine, { startTimeS: 7 });
    let nowMs = 0;
    const scraping = scraper({ nowMs: () => nowMs });
    for (nowMs = 0; nowMs <= 1000; nowMs += 250) await scraping.round();
    expect(engine.asked.filter((path) => path === "/v1/models")).toHaveLength(2);
    expect(engine.asked.filter((path) => path === "/version")).toHaveLength(1);
    expect(engine.asked.filter((path) => path === "/metrics")).toHaveLength(5);
  });

  it("asks for everything again once told to forget", async () => {
    actAsVllm(engine, { startTimeS: 7 });
    const scraping = scraper();
    await scraping.round();
    scraping.forget();
    engine.json("/version", { version: "0.24.0" });
    expect(await scraping.round()).toMatchObject({ engineVersion: "0.24.0" });
  });

  it("tells the engine by the names of its metrics where the models name nobody", async () => {
    engine.json("/v1/models", { data: [{ id: "m" }] });
    engine.text("/metrics", "sglang:num_running_reqs 2\n");
    engine.json("/server_info", { version: "0.5.10" });
    expect(await scraper().round()).toMatchObject({
      engine: "sglang",
      engineVersion: "0.5.10",
      reading: { sample: { running: 2 } },
    });
  });

  it.each([
    ["its models say so", "tensorrt_llm"],
    ["its metrics say so", undefined],
  ])("never reads TensorRT-LLM's /metrics when %s", async (_, ownedBy) => {
    engine.json("/v1/models", { data: [{ id: "m", owned_by: ownedBy }] });
    engine.text("/prometheus/metrics", "trtllm_num_requests_running 2\n");
    engine.json("/metrics", [{ iter: 1 }]);
    const scraping = scraper();
    await scraping.round();
    expect(await scraping.round()).toMatchObject({ engine: "trtllm", reading: { sample: { running: 2 } } });
    expect(engine.asked).not.toContain("/metrics");
  });

  it("reads TensorRT-LLM's /metrics no second time when it has met it", async () => {
    engine.json("/v1/models", { data: [{ id: "m" }] });
    engine.json("/metrics", [{ iter: 1 }]);
    engine.text("/health", "");
    const scraping = scraper();
    for (let n = 0; n < 3; n++) expect(await scraping.round()).toMatchObject({ ok: true, engine: "trtllm" });
    expect(engine.asked.filter((path) => path === "/metrics")).toHaveLength(1);
  });

  it("makes do with /health where there are no metrics", async () => {
    engine.json("/v1/models", { data: [{ id: "m", owned_by: "sglang" }] });
    engine.text("/health", "");
    expect(await scraper().round()).toMatchObject({ ok: true, engine: "sglang", reading: undefined });
  });

  it("sends the engine's API key", async () => {
    actAsVllm(engine, { startTimeS: 7 });
    await scraper({ apiKey: "secret" }).round();
    expect([...engine.authorizations]).toEqual(["Bearer secret"]);
  });

  it.each([
    ["no models", () => engine.routes.set("/v1/models", { status: 401, body: "" }), "status"],
    ["models that are no JSON", () => engine.text("/v1/models", "<html>"), "bad_body"],
    ["adapters only", () => engine.json("/v1/models", { data: [{ id: "a", parent: "b" }] }), "bad_body"],
    ["a dead engine behind its server", () => engine.routes.set("/metrics", { status: 503, body: "" }), "status"],
  ])("fails on %s", async (_, spoil, reason) => {
    actAsVllm(engine, { startTimeS: 7 });
    spoil();
    expect(reasonOf(await scraper().round())).toBe(reason);
  });

  it("fails on an engine that closes the connection", async () => {
    engine.unreachable = true;
    expect(reasonOf(await scraper().round())).toBe("network");
  });

  it("waits no longer than it may", async () => {
    engine.hanging = true;
    expect(reasonOf(await scraper({ timeoutMs: 20 }).round())).toBe("timeout");
  });
});
