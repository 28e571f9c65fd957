import { describe, expect, it } from "vitest";
import { type MessageRulesName, messageRules } from "../../src/prefix/chat/message-rules.ts";
import type { Renderer } from "../../src/prefix/prompt-text.ts";
import { fromPlain } from "../../src/prefix/python/plain-json.ts";
import type { Dict } from "../../src/prefix/python/value.ts";
import { jinjaRenderer } from "../../src/prefix/renderers/jinja.ts";
import { asDict, asText, type Family, families, fixtureRows, recordedBodies } from "./recorded-requests.ts";

const rulesNames = Object.keys(messageRules) as MessageRulesName[];

function rendererOf({ template, specialTokens }: Family, rules: MessageRulesName): Renderer {
  const result = jinjaRenderer({ template, specialTokens, rules }, () => new Date(0));
  if (!result.ok) throw new Error(result.message);
  return result.renderer;
}

/** What the engine made of a request under the rules: the older ones are recorded only where they differ. */
function expected(row: Dict, rules: MessageRulesName): Dict {
  const variants = row.get("variants");
  const variant = variants === undefined ? undefined : asDict(variants).get(rules);
  return variant === undefined ? row : asDict(variant);
}

describe.each(families)("prompts of $name are those the engine tokenizes", (family) => {
  const rows = fixtureRows(`rendered-${family.name}.jsonl`);

  it("has every recorded request", () => {
    expect(rows.map((row) => row.get("id"))).toEqual([...recordedBodies.keys()]);
  });

  describe.each(rulesNames)("under the rules of %s", (rules) => {
    const render = rendererOf(family, rules);

    it.each(rows.map((row) => ({ id: asText(row.get("id")), row })))("$id", ({ id, row }) => {
      const wanted = expected(row, rules);
      const result = render(recordedBodies.get(id) ?? new Map());
      if (wanted.has("error")) expect(result.ok).toBe(false);
      else expect(result).toEqual({ ok: true, text: wanted.get("text") });
    });
  });
});

describe("large requests stay inside the default budget", () => {
  const turns = (count: number, content: string) => ({
    messages: Array.from({ length: count }, (_, place) => ({ role: place % 2 === 0 ? "user" : "assistant", content })),
  });

  it.each(families)("$name", (family) => {
    const render = rendererOf(family, "main");
    expect(render(asDict(fromPlain(turns(5000, "hi")))).ok).toBe(true);
    expect(render(asDict(fromPlain(turns(3, "x".repeat(3_000_000))))).ok).toBe(true);
  });
});
