import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileTemplate, type TemplateResult } from "../../../src/prefix/jinja/template.ts";
import type { Value } from "../../../src/prefix/python/value.ts";
import { families } from "../recorded-requests.ts";

const clock = () => new Date(0);

function render(source: string, context: ReadonlyMap<string, Value> = new Map()): TemplateResult | undefined {
  const compiled = compileTemplate(source);
  return compiled.ok
    ? compiled.template.render(context, { clock, limits: { steps: 200_000, outputUnits: 1 << 20 } })
    : undefined;
}

const sharedLists =
  "{% set ns = namespace(a=[1], b=[1]) %}" +
  "{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}";

describe("a hostile template ends with a reason", () => {
  it.each([
    ["loops in loops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"],
    [
      "a text that doubles",
      "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    ],
    ["a repeated text", "{{ 'x' * 1000000000000 }}"],
    ["a repeated list", "{{ [0] * 1000000000000 }}"],
    ["a power", "{{ 10 ** 10000000 }}"],
    ["a range", "{% for i in range(100000000) %}{% endfor %}"],
    ["a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"],
    ["a loop that calls itself", "{% for i in [[]] recursive %}{{ loop([[]]) }}{% endfor %}"],
    ["output without end", "{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}"],
    ["a replacement that grows", "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}"],
    [
      "a scan of a long text in every round",
      "{% set s = 'x' * 9999999 %}{% for i in range(9999) %}{{ 'y' in s }}{% endfor %}",
    ],
    ["a list that holds the same list over and over, printed", `${sharedLists}{{ ns.a }}`],
    ["the same as JSON", `${sharedLists}{{ ns.a | tojson }}`],
    ["the same compared", `${sharedLists}{{ ns.a == ns.b }}`],
    [
      "a list nested more deeply than the stack",
      "{% set ns = namespace(l=[]) %}{% for i in range(50000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
    ],
  ])("%s", (_, source) => {
    expect(render(source)).toMatchObject({ ok: false, reason: "budget" });
  });

  it("also where it is only nested deeply", () => {
    expect(compileTemplate(`{{ ${"(".repeat(5000)}1${")".repeat(5000)} }}`).ok).toBe(false);
    expect(compileTemplate("{% if x %}".repeat(5000)).ok).toBe(false);
    expect(compileTemplate(`{{ ${"-".repeat(5000)}1 }}`).ok).toBe(false);
  });
});

describe("what is printed only by chance of the interpreter is not supported", () => {
  it.each([
    ["an address in memory", "{{ [1] | map('string') }}"],
    ["a random choice", "{{ [1, 2] | random }}"],
    ["markup joined with text", "{{ ('<b>' | safe) + '<i>' }}"],
  ])("%s", (_, source) => {
    expect(render(source)).toMatchObject({ ok: false, reason: "unsupported" });
  });
});

describe("no template makes the interpreter throw", () => {
  const pieces = fc.constantFrom(
    ..."{{ }} {% %} {# #} {%- -%} {{- -}} for in if elif else endfor endif set endset macro endmacro call endcall".split(
      " ",
    ),
    ..."raw endraw filter endfilter with endwith loop recursive x y messages . , : | ( ) [ ] { } + - * / // % ** ~ == != < >= not and or is".split(
      " ",
    ),
    ..."upper tojson join map select default namespace range 1 2.5 'a' \"b\" none true '\\x' 1_0 \n \t é 😀 \ud800".split(
      " ",
    ),
  );
  const context = new Map<string, Value>([
    ["x", "text"],
    ["y", [1, "a", null]],
    [
      "messages",
      [
        new Map<string, Value>([
          ["role", "user"],
          ["content", "hi"],
        ]),
      ],
    ],
  ]);

  it("of random pieces", () => {
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
        render(parts.join(" "), context);
      }),
      { numRuns: 3000 },
    );
  });

  it("of random text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (source) => {
        render(source, context);
        render(`{{ ${source} }}`, context);
      }),
      { numRuns: 2000 },
    );
  });

  it("of chat templates with a piece cut out", () => {
    const sources = families.map(({ template }) => template);
    fc.assert(
      fc.property(fc.constantFrom(...sources), fc.nat(), fc.nat({ max: 40 }), (source, at, length) => {
        const start = at % source.length;
        render(source.slice(0, start) + source.slice(start + length), context);
      }),
      { numRuns: 1000 },
    );
  });
});
