import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type MessageRulesName, messageRules } from "../../../src/prefix/chat/message-rules.ts";
import { completionPrompts } from "../../../src/prefix/completion-prompt.ts";
import type { Renderer } from "../../../src/prefix/prompt-text.ts";
import { fromPlain } from "../../../src/prefix/python/plain-json.ts";
import { harmonyRenderer } from "../../../src/prefix/renderers/harmony/renderer.ts";
import { jinjaRenderer } from "../../../src/prefix/renderers/jinja.ts";
import { renderPlain } from "../../../src/prefix/renderers/plain.ts";
import { asDict, families } from "../recorded-requests.ts";

const clock = () => new Date(0);

/** Values of the shapes that requests have, with any other value in each place now and then. */
const anything = fc.jsonValue({ maxDepth: 2 });
const sometimes = <Value>(usual: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: anything });
const text = sometimes(fc.string({ unit: "binary", maxLength: 8 }));
const part = sometimes(
  fc.record(
    {
      type: fc.constantFrom("text", "input_text", "refusal", "thinking", "image_url", "other"),
      text,
      refusal: text,
      image_url: anything,
    },
    { requiredKeys: [] },
  ),
);
const call = sometimes(
  fc.record(
    { id: text, function: sometimes(fc.record({ name: text, arguments: fc.oneof(text, fc.json()) })) },
    { requiredKeys: [] },
  ),
);
const message = sometimes(
  fc.record(
    {
      role: fc.constantFrom("system", "user", "assistant", "tool", "developer", "other"),
      content: fc.oneof(text, fc.constant(null), fc.array(part, { maxLength: 3 })),
      tool_calls: sometimes(fc.array(call, { maxLength: 2 })),
      tool_call_id: text,
      reasoning: text,
      name: text,
    },
    { requiredKeys: ["role"] },
  ),
);
const body = fc.record(
  {
    messages: sometimes(fc.array(message, { maxLength: 5 })),
    tools: sometimes(
      fc.array(sometimes(fc.record({ type: fc.constant("function"), function: anything })), { maxLength: 2 }),
    ),
    chat_template_kwargs: sometimes(fc.dictionary(fc.constantFrom("enable_thinking", "bos_token", "x"), anything)),
    add_generation_prompt: sometimes(fc.boolean()),
    continue_final_message: sometimes(fc.boolean()),
    reasoning_effort: sometimes(fc.constantFrom("low", "high", "none")),
    prompt: anything,
  },
  { requiredKeys: ["messages"] },
);

const renderers: readonly (readonly [string, Renderer])[] = [
  ...families.flatMap(({ name, template, specialTokens }) =>
    (Object.keys(messageRules) as MessageRulesName[]).map((rules) => {
      const made = jinjaRenderer({ template, specialTokens, rules }, clock);
      if (!made.ok) throw new Error(made.message);
      return [`${name}, ${rules}`, made.renderer] as const;
    }),
  ),
  ["harmony", harmonyRenderer({}, clock)],
  ["none", renderPlain],
  ["completions", completionPrompts],
];

describe("any body has a text in UTF-8 or a reason why not", () => {
  it.each(renderers)("%s", (_, render) => {
    fc.assert(
      fc.property(body, (value) => {
        const result = render(asDict(fromPlain(value)));
        if (result.ok) expect(result.text.isWellFormed()).toBe(true);
        else expect(result.reason).toMatch(/^[a-z_]+$/);
      }),
      { numRuns: 300 },
    );
  });
});
