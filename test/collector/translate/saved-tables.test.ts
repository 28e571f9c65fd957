import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { KvEvent } from "../../../src/collector/kv-events/event.ts";
import { PodTranslation } from "../../../src/collector/translate/pod-translation.ts";
import type { SegmentText } from "../../../src/collector/translate/segment-run.ts";
import { StateFolder } from "../../../src/collector/translate/state-folder.ts";
import { noTranslationCounts } from "../../../src/collector/translate/translation-counts.ts";
import { EdgeModel } from "./edge-model.ts";
import { storedEvent } from "./events.ts";
import { BLOCK_TOKENS, branchingTree, chain, eventsOf } from "./random-events.ts";
import { MODEL, SECRET, segmentText } from "./text-of-tokens.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

let text: SegmentText;
let parent: string;
let folder: string;

beforeAll(async () => {
  text = await segmentText(24);
});

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "warmpath-state-"));
  folder = join(parent, "state");
});

afterEach(() => rm(parent, { recursive: true }));

function translate(secret = SECRET) {
  const edge = new EdgeModel();
  const counts = noTranslationCounts();
  const limits = { mostBlocks: 10_000, mostWaiting: 1000 };
  const options = { pod: "ns/a/1", epoch: "e", text, secret, baseModel: MODEL, limits, counts, check: undefined };
  const translation = new PodTranslation({ ...options, emit: (change) => edge.apply([change]) });
  let sequence = 0;
  const take = (events: readonly KvEvent[], rank = 0) => {
    const position = { sequence: sequence++, timeS: 1000 + sequence };
    translation.take({ timeS: undefined, dataParallelRank: rank, events, skipped: [] }, position);
  };
  const claims = () => {
    translation.resync();
    while (translation.collect(1000));
    return new Map([...edge.claims].sort());
  };
  return { translation, edge, take, claims };
}

/** As a file holds it, without the file. */
function saved(translation: PodTranslation) {
  const parts: Buffer[] = [];
  const tables = translation.save((bytes) => parts.push(Buffer.from(bytes)));
  return { tables, bytes: Buffer.concat(parts) };
}

describe("saved tables", () => {
  it("go on as if nothing had happened", () => {
    const tree = branchingTree();
    const events = fc.array(fc.tuple(eventsOf(tree), fc.nat(1)), { minLength: 10, maxLength: 80 });
    fc.assert(
      fc.property(events, events, (before, after) => {
        const first = translate();
        for (const [event, rank] of before) first.take([event], rank);
        const { tables, bytes } = saved(first.translation);
        const second = translate();
        expect(tables && second.translation.restore(tables, bytes, 0)).toBe(true);
        second.translation.caughtUp();
        expect(second.claims()).toEqual(first.claims());
        for (const [event, rank] of after) {
          first.take([event], rank);
          second.take([event], rank);
        }
        expect(second.claims()).toEqual(first.claims());
      }),
      { numRuns: 200 },
    );
  });

  it("are claimed only once the stream has gone on from where they end", () => {
    const first = translate();
    first.take([storedEvent(chain("a", 10, 100), BLOCK_TOKENS)]);
    const { tables, bytes } = saved(first.translation);
    const second = translate();
    expect(tables && second.translation.restore(tables, bytes, 0)).toBe(true);
    expect(second.translation.position).toEqual(first.translation.position);
    expect(second.translation.evidence.history).toBe("unproven");
    expect(second.claims().size).toBe(0);
    second.translation.caughtUp();
    second.translation.collect(1000);
    expect(second.edge.claims).toEqual(first.claims());
    expect(second.translation.evidence.history).toBe("complete");
  });

  it("remember that history was lost", () => {
    const first = translate();
    first.translation.missHistory();
    first.take([storedEvent(chain("a", 10, 100), BLOCK_TOKENS)]);
    const { tables, bytes } = saved(first.translation);
    const second = translate();
    if (tables !== undefined) second.translation.restore(tables, bytes, 0);
    second.translation.caughtUp();
    expect(second.translation.evidence.history).toBe("lost");
  });

  it("are of no use with another secret", () => {
    const first = translate();
    first.take([storedEvent(chain("a", 10, 100), BLOCK_TOKENS)]);
    const { tables, bytes } = saved(first.translation);
    const second = translate("another secret");
    expect(tables && second.translation.restore(tables, bytes, 0)).toBe(false);
    expect(second.translation.sizes.blocks).toBe(0);
  });

  it("do not hold the secret", () => {
    const first = translate();
    first.take([storedEvent(chain("a", 10, 100), BLOCK_TOKENS)]);
    const { tables, bytes } = saved(first.translation);
    expect(JSON.stringify(tables) + bytes.toString("latin1")).not.toContain(SECRET);
  });
});

describe("StateFolder", () => {
  async function withOneSaved() {
    const { translation, take } = translate();
    take([storedEvent(chain("a", 40, 100), BLOCK_TOKENS)]);
    const state = await StateFolder.open(folder, Date.now());
    expect(await state.save("ns/a/1", "start-100", (write) => translation.save(write))).toBe(true);
    const [name = ""] = await readdir(folder);
    return { state, translation, file: join(folder, name) };
  }

  it("gives back what was saved, to its owner only", async () => {
    const { state, translation, file } = await withOneSaved();
    const loaded = await state.load("ns/a/1");
    expect(loaded).toMatchObject({ ok: true, pod: { pod: "ns/a/1", process: "start-100" } });
    if (loaded?.ok !== true) return;
    const second = translate();
    second.translation.restore(loaded.pod.tables, loaded.bytes, loaded.blocksAt);
    expect(second.translation.sizes).toMatchObject({ blocks: translation.sizes.blocks });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it("knows nothing of a pod that was never saved", async () => {
    const state = await StateFolder.open(folder, Date.now());
    expect(await state.load("ns/a/1")).toBeUndefined();
  });

  it("saves nothing of a table that is not worth it, and leaves nothing behind", async () => {
    const state = await StateFolder.open(folder, Date.now());
    expect(await state.save("ns/a/1", "p", (write) => translate().translation.save(write))).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ["cut off", async (file: string) => truncate(file, (await stat(file)).size - 30)],
    ["longer than it was", (file: string) => appendFile(file, "more")],
    ["empty", (file: string) => truncate(file, 0)],
    [
      "changed in one place",
      async (file: string) => {
        const bytes = await readFile(file);
        bytes[200] = (bytes[200] ?? 0) ^ 1;
        await writeFile(file, bytes);
      },
    ],
  ])("refuses a file that is %s", async (_, damage) => {
    const { state, file } = await withOneSaved();
    await damage(file);
    expect(await state.load("ns/a/1")).toMatchObject({ ok: false });
  });

  it("refuses whatever bytes it finds without throwing", async () => {
    const state = await StateFolder.open(folder, Date.now());
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await writeFile(join(folder, "ns%2Fa%2F1.blocks"), Buffer.concat([Buffer.from("warmpath blocks 1\n"), bytes]));
        expect(await state.load("ns/a/1")).toMatchObject({ ok: false });
      }),
      { numRuns: 50 },
    );
  });

  it("clears away drafts and what is a day old when it is opened", async () => {
    const { file } = await withOneSaved();
    await writeFile(`${file}.7`, "half");
    await writeFile(join(folder, "mine.txt"), "not ours");
    await StateFolder.open(folder, Date.now());
    expect((await readdir(folder)).sort()).toEqual(["mine.txt", "ns%2Fa%2F1.blocks"]);
    const old = new Date(Date.now() - 2 * DAY_MS);
    await utimes(file, old, old);
    await StateFolder.open(folder, Date.now());
    expect(await readdir(folder)).toEqual(["mine.txt"]);
  });
});
