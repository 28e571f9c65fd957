import path from "node:path";
import { pino } from "pino";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { promptOfModel } from "../../../src/cli/prompt-of-model.ts";
import { EngineApi } from "../../../src/collector/engine-api.ts";
import { Handshakes } from "../../../src/collector/handshake/handshakes.ts";
import { RenderingSource } from "../../../src/collector/handshake/rendering-source.ts";
import { HttpRequests } from "../../../src/collector/http-requests.ts";
import type { EventPod } from "../../../src/collector/kv-event-sink.ts";
import { EdgeRequests } from "../../../src/collector/push/edge-requests.ts";
import { TokenizerStore } from "../../../src/collector/translate/tokenizer/tokenizer-store.ts";
import { importHmacKey } from "../../../src/protocol/hmac-key.ts";
import type { Epoch } from "../../../src/protocol/identifiers.ts";
import { type ModelRendering, renderingDigest } from "../../../src/protocol/model-rendering.ts";
import type { PromptSettings } from "../../../src/protocol/prompt-settings.ts";
import { startEngine } from "../../../src/sim/engine/engine.ts";
import { CLUSTER_KEY, TestEdge } from "../push/test-edge.ts";
import { actAsVllm, TestEngine } from "../test-engine.ts";
import { QWEN_FILE } from "../translate/tokenizer/qwen-file.ts";

const MODEL = "qwen3-8b";
/** Reading the file takes a second. */
const tokenizers = new TokenizerStore();
const SECRET = "the secret behind segment hashes";

type Jinja = Extract<PromptSettings, { renderer: "jinja" }>;
let qwen: Jinja;
beforeAll(async () => {
  const prompt = await promptOfModel(path.dirname(QWEN_FILE));
  if (prompt.renderer !== "jinja") throw new Error("the model of the test has a template");
  qwen = prompt;
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function renderingOf(prompt: PromptSettings, secret = SECRET, segmentBytes = 256): Promise<ModelRendering> {
  const rendering = { model: MODEL, segmentBytes, prompt };
  return { ...rendering, digest: await renderingDigest(secret, rendering) };
}

/** A simulated engine, which renders and tokenizes with code of its own. */
async function engineUrl(): Promise<string> {
  const engine = await startEngine({ name: "engine", model: MODEL });
  closing.push(() => engine.close());
  return engine.url;
}

async function handshake(options: { engineUrl: string; rendering: () => ModelRendering | undefined }) {
  const http = new HttpRequests();
  const edge = await TestEdge.start({ rendering: options.rendering });
  closing.push(
    () => http.close(),
    () => edge.close(),
  );
  const signal = new AbortController().signal;
  const requests = new EdgeRequests({
    edgeUrl: edge.url,
    cluster: "local",
    key: await importHmacKey(CLUSTER_KEY),
    timeoutMs: 5000,
    http,
    nowMs: Date.now,
    signal,
  });
  const clock = { nowMs: 0 };
  const changed: string[] = [];
  const handshakes = new Handshakes({
    models: () => [{ name: MODEL, tokenizerFile: QWEN_FILE, segmentBytes: 256 }],
    hashSecret: SECRET,
    renderings: new RenderingSource({ edge: requests, freshMs: 1000, retryMs: 1000, nowMs: () => clock.nowMs }),
    tokenizers,
    everyMs: 3_600_000,
    retryMs: 5_000,
    onChange: (pod) => changed.push(pod),
    nowMs: () => clock.nowMs,
    log: pino({ level: "silent" }),
  });
  const api = new EngineApi({ url: options.engineUrl, apiKey: undefined, timeoutMs: 5000, http, signal });
  const shake = async (state = pod()) => {
    await handshakes.consider(state, api);
    return handshakes.proofOf(state);
  };
  return { shake, clock, changed };
}

function pod(epoch = "1", engineVersion = "0.23.0"): EventPod {
  return {
    name: "ns/pod/8000",
    epoch: epoch as Epoch,
    process: undefined,
    engine: "vllm",
    engineVersion,
    baseModel: MODEL,
    servedModels: [MODEL],
    servesAdapters: false,
    publishesEvents: true,
  };
}

describe("the handshake with an engine", () => {
  it("earns `exact` where the engine tokenizes what the edge hashes", async () => {
    const rendering = await renderingOf(qwen);
    const { shake, changed } = await handshake({ engineUrl: await engineUrl(), rendering: () => rendering });
    expect(await shake()).toEqual({ mode: "exact", rendering: rendering.digest });
    expect(changed).toEqual(["ns/pod/8000"]);
  });

  it.each<[string, (prompt: Jinja) => PromptSettings, string]>([
    ["an older template", ({ template, ...rest }) => ({ ...rest, template: `${template} ` }), "plain+no_system+turns"],
    ["no normalizer", ({ textForm, ...rest }) => rest, "decomposed"],
    ["other message rules", (prompt) => ({ ...prompt, rules: "v0.10.0" }), "thinking"],
    [
      "a prefix that the tokenizer does not put",
      ({ textForm, ...rest }) => ({ ...rest, ...(textForm && { textForm: { ...textForm, prefix: "<s>" } }) }),
      "completion",
    ],
  ])("names the probes that tell of %s", async (_, wrong, probes) => {
    const rendering = await renderingOf(wrong(qwen));
    const { shake } = await handshake({ engineUrl: await engineUrl(), rendering: () => rendering });
    const { mode, reason } = await shake();
    expect(mode).toBe("approximate");
    expect(reason).toContain(`probes_differ:${probes}`);
  });

  it.each<[string, () => Promise<ModelRendering>]>([
    ["hash_secret_differs", () => renderingOf(qwen, "another secret")],
    ["segment_bytes_differ", () => renderingOf(qwen, SECRET, 512)],
    ["plain_renderer", () => renderingOf({ renderer: "none" })],
    ["template_does_not_compile", () => renderingOf({ ...qwen, template: "{% if %}" })],
  ])("says %s without asking the engine", async (reason, make) => {
    const rendering = await make();
    const engine = await TestEngine.start();
    closing.push(() => engine.close());
    const { shake } = await handshake({ engineUrl: engine.url, rendering: () => rendering });
    expect(await shake()).toEqual({ mode: "approximate", reason });
    expect(engine.asked).toEqual([]);
  });

  it("says that an engine without such a route cannot be asked", async () => {
    const engine = await TestEngine.start();
    closing.push(() => engine.close());
    actAsVllm(engine, { startTimeS: 1 });
    const rendering = await renderingOf(qwen);
    const { shake } = await handshake({ engineUrl: engine.url, rendering: () => rendering });
    expect(await shake()).toEqual({ mode: "approximate", reason: "engine_cannot_be_asked" });
  });

  it("asks anew for another epoch, engine version or rendering, and after an hour, and not before", async () => {
    let rendering = await renderingOf(qwen);
    const url = await engineUrl();
    const { shake, clock } = await handshake({ engineUrl: url, rendering: () => rendering });
    const first = await shake();
    rendering = await renderingOf({ ...qwen, rules: "v0.10.0" });
    expect(await shake()).toEqual(first);
    clock.nowMs += 1001;
    expect((await shake()).mode).toBe("approximate");
    rendering = await renderingOf(qwen);
    clock.nowMs += 1001;
    expect(await shake()).toEqual(first);
    expect(await shake(pod("2"))).toEqual(first);
    expect(await shake(pod("2", "0.28.0"))).toEqual(first);
  });

  it("claims nothing of an engine that does not answer", async () => {
    const rendering = await renderingOf(qwen);
    const { shake } = await handshake({ engineUrl: "http://127.0.0.1:1", rendering: () => rendering });
    expect(await shake()).toEqual({ mode: "approximate", reason: "renderer_unproven" });
  });

  it("tries again soon where the edge or the engine did not answer, and keeps what it knew meanwhile", async () => {
    let rendering: ModelRendering | undefined;
    const { shake, clock } = await handshake({ engineUrl: await engineUrl(), rendering: () => rendering });
    expect(await shake()).toEqual({ mode: "approximate", reason: "edge_rendering_unknown" });
    rendering = await renderingOf(qwen);
    clock.nowMs += 5001;
    expect((await shake()).mode).toBe("exact");
    rendering = undefined;
    clock.nowMs += 3_600_001;
    expect((await shake()).mode).toBe("exact");
  });
});
