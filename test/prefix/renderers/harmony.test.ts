import { describe, expect, it } from "vitest";
import { parseJson } from "../../../src/prefix/python/json-parse.ts";
import { fromPlain } from "../../../src/prefix/python/plain-json.ts";
import { harmonyRenderer } from "../../../src/prefix/renderers/harmony/renderer.ts";
import { asDict } from "../recorded-requests.ts";

const clock = () => new Date(Date.UTC(2025, 5, 28));

function render(body: unknown): string {
  const value = typeof body === "string" ? parsed(body) : fromPlain(body);
  const result = harmonyRenderer({}, clock)(asDict(value));
  if (!result.ok) throw new Error(result.message);
  return result.text;
}

function parsed(json: string) {
  const result = parseJson(json);
  if (!result.ok) throw new Error(result.message);
  return result.value;
}

function system(effort = "medium", withTools = false): string {
  return [
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.",
    "Knowledge cutoff: 2024-06",
    "Current date: 2025-06-28",
    "",
    `Reasoning: ${effort}`,
    "",
    "# Valid channels: analysis, commentary, final. Channel must be included for every message.",
    ...(withTools ? ["Calls to these tools must go to the commentary channel: 'functions'."] : []),
  ]
    .join("\n")
    .concat("<|end|>");
}

const user = { role: "user", content: "What is 2 + 2?" };
const userText = "<|start|>user<|message|>What is 2 + 2?<|end|>";

describe("a gpt-oss prompt", () => {
  it("begins with the system message and ends where the assistant goes on", () => {
    expect(render({ messages: [user] })).toBe(`${system()}${userText}<|start|>assistant`);
    expect(render({ messages: [user], reasoning_effort: "high" })).toBe(
      `${system("high")}${userText}<|start|>assistant`,
    );
  });

  it("has the caller's instructions in a developer message", () => {
    const instructions = "<|start|>developer<|message|># Instructions\n\nBe brief.<|end|>";
    for (const role of ["system", "developer"]) {
      const text = render({
        messages: [
          {
            role,
            content: [
              { type: "text", text: "Be " },
              { type: "text", text: "brief." },
            ],
          },
          user,
        ],
      });
      expect(text).toBe(`${system()}${instructions}${userText}<|start|>assistant`);
    }
    expect(render({ messages: [user, { role: "system", content: "Be brief." }] })).toBe(
      `${system()}${userText}${instructions}<|start|>assistant`,
    );
  });

  it("drops thinking before the last final answer and keeps it after", () => {
    const thought = (text: string) => `<|start|>assistant<|channel|>analysis<|message|>${text}<|end|>`;
    const final = (text: string) => `<|start|>assistant<|channel|>final<|message|>${text}<|end|>`;
    const messages = [
      user,
      { role: "assistant", content: "4", reasoning_content: "sum" },
      user,
      { role: "assistant", content: "", reasoning: "again" },
    ];
    expect(render({ messages })).toBe(
      `${system()}${userText}${final("4")}${userText}${thought("again")}<|start|>assistant`,
    );
  });

  it("has calls of tools and their answers in the commentary channel", () => {
    const messages = [
      user,
      {
        role: "assistant",
        content: "I will add.",
        reasoning: "call it",
        tool_calls: [{ id: "c1", type: "function", function: { name: "add", arguments: '{"a": 2}' } }],
      },
      { role: "tool", tool_call_id: "c1", content: "4" },
    ];
    expect(render({ messages })).toBe(
      `${system()}${userText}` +
        "<|start|>assistant<|channel|>commentary<|message|>I will add.<|end|>" +
        "<|start|>assistant<|channel|>analysis<|message|>call it<|end|>" +
        '<|start|>assistant to=functions.add<|channel|>commentary json<|message|>{"a": 2}<|call|>' +
        "<|start|>functions.add to=assistant<|channel|>commentary<|message|>4<|end|>" +
        "<|start|>assistant",
    );
  });
});

describe("tools of a gpt-oss prompt", () => {
  /** The text of the developer message of a request with these tools. */
  const namespace = (...tools: unknown[]) =>
    /<\|start\|>developer<\|message\|>(.*?)<\|end\|>/s.exec(
      render(
        JSON.stringify({
          messages: [user],
          tools: tools.map((definition) => ({ type: "function", function: definition })),
        }),
      ),
    )?.[1];

  it("are a namespace of types, with a note in the system message", () => {
    // The shape of the example in openai/harmony, docs/format.md.
    const format = { type: "string", enum: ["metric", "imperial"], default: "metric" };
    const tools = [
      { name: "find_user", description: "Says where the user is." },
      {
        name: "forecast",
        description: "Says what the weather will be like.",
        parameters: {
          type: "object",
          properties: {
            place: { type: "string", description: "A town and its country, like Hanoi, Vietnam" },
            format,
          },
          required: ["place"],
        },
      },
      {
        name: "forecasts",
        description: "Says it for several places.",
        parameters: {
          type: "object",
          properties: {
            places: {
              type: "array",
              items: { type: "string" },
              description: 'Towns, like ["Hanoi, Vietnam", "Oslo, Norway"]',
            },
            format,
          },
          required: ["places"],
        },
      },
    ];
    const text = render({
      messages: [
        { role: "system", content: "Answer in rhyme." },
        { role: "user", content: "Will it rain?" },
      ],
      tools: tools.map((definition) => ({ type: "function", function: definition })),
      reasoning_effort: "high",
    });
    expect(text).toBe(
      `${system("high", true)}<|start|>developer<|message|># Instructions

Answer in rhyme.

# Tools

## functions

namespace functions {

// Says where the user is.
type find_user = () => any;

// Says what the weather will be like.
type forecast = (_: {
// A town and its country, like Hanoi, Vietnam
place: string,
format?: "metric" | "imperial", // default: metric
}) => any;

// Says it for several places.
type forecasts = (_: {
// Towns, like ["Hanoi, Vietnam", "Oslo, Norway"]
places: string[],
format?: "metric" | "imperial", // default: metric
}) => any;

} // namespace functions<|end|><|start|>user<|message|>Will it rain?<|end|><|start|>assistant`,
    );
  });

  it("describe rarer schemas as the harmony library does", () => {
    // The kinds of schema that library's own test of its renderer has.
    const parameters = {
      description: "what it takes",
      type: "object",
      properties: {
        name: { type: "string", title: "Name", description: "What it is called", examples: ["Ann", "Bob"] },
        note: { type: "string", nullable: true, description: "A remark", default: "none so far" },
        size: { type: "string", enum: ["a", "b", "c"] },
        amount: {
          oneOf: [
            { type: "string", default: "some" },
            { type: "number", description: "in grams" },
          ],
          description: "How much",
          default: 20,
        },
      },
    };
    expect(namespace({ name: "everything", description: "Takes all kinds of arguments.", parameters })).toBe(
      `# Tools

## functions

namespace functions {

// Takes all kinds of arguments.
type everything = (_: // what it takes
{
// Name
//
// What it is called
// Examples:
// - "Ann"
// - "Bob"
name?: string,
// A remark
note?: string | null, // default: "none so far"
size?: "a" | "b" | "c",
// How much
// default: 20
amount?:
 | string // default: "some"
 | number // in grams
,
}) => any;

} // namespace functions`,
    );
  });

  it("indent what is nested and write defaults as serde_json does", () => {
    const json = `{"type":"object","properties":{
      "o":{"type":"object","properties":{"10":{"type":["integer","null"],"default":1.0},"2":{"type":"integer","default":1e-7}}},
      "l":{"type":"array","default":[1e16,{"a":null}]},"x":{}}}`;
    const tool = JSON.stringify({ name: "f", parameters: 0 }).replace("0}", `${json}}`);
    const text = render(`{"messages":[{"role":"user","content":""}],"tools":[{"type":"function","function":${tool}}]}`);
    expect(text).toContain(
      `type f = (_: {
o?: {
    10?: number | null, // default: 1.0
    2?: number, // default: 1e-7
    },
l?: Array<any>, // default: [1e16,{"a":null}]
x?: any,
}) => any;`,
    );
  });
});

describe("a request that harmony has no text for", () => {
  it.each([
    [{ messages: [user], reasoning_effort: "none" }, "bad_field"],
    [{ messages: [{ role: "critic", content: "hm" }] }, "bad_messages"],
    [{ messages: [user], continue_final_message: true }, "continue_final_message"],
    [{ messages: [{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: {} } }] }] }, "bad_tool_call"],
    [{ messages: [{ role: "user", content: "\ud800" }] }, "lone_surrogate"],
  ])("%o", (body, reason) => {
    expect(harmonyRenderer({}, clock)(asDict(fromPlain(body)))).toMatchObject({ ok: false, reason });
  });
});
