import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { buildCollector } from "../../src/selfhost/collector-bundle.ts";
import { QWEN_FILE } from "../collector/translate/tokenizer/qwen-file.ts";

let main: string;

beforeAll(async () => {
  main = await buildCollector();
});

describe("the built collector", () => {
  it("starts", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [main, "--help"]);
    expect(stdout).toContain("--endpoints <file>");
  });

  it("has the reader of tokenizers beside it", async () => {
    const reader = path.join(path.dirname(main), "tokenizer-reader.js");
    const child = fork(reader, [QWEN_FILE], { serialization: "advanced", execArgv: [] });
    const [[answer]] = await Promise.all([once(child, "message"), once(child, "exit")]);
    expect(answer).toMatchObject({ ok: true, rules: { ok: true } });
  });
});
