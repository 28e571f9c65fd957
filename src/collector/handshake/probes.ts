/** A request that an engine is asked to tokenize, to compare with what the edge hashes for it. */
export type Probe = {
  readonly name: string;
  readonly endpoint: "chat" | "completions";
  /** The request's fields as JSON text, but for the model: number text and key order matter. */
  readonly fields: string;
};

const chat = (name: string, messages: unknown[], more: Record<string, unknown> = {}): Probe => ({
  name,
  endpoint: "chat",
  fields: JSON.stringify({ messages, ...more }),
});

const SYSTEM = { role: "system", content: "You are terse." };
const QUESTION = { role: "user", content: "What is the weather in Oslo?" };

const TOOLS =
  '[{"type":"function","function":{"parameters":{"type":"object","properties":{"days":{"type":"integer","minimum":1.0,' +
  '"10":1e-7,"2":true,"default":null},"place":{"type":"string","description":"Ærø, 東京 & <b>"}}},"name":"weather",' +
  '"description":"Looks up the weather"}}]';

const CALL =
  '{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather",' +
  '"arguments":"{\\"place\\": \\"Oslo\\", \\"days\\": 2.0}"}}]}';

/**
 * What has been seen to make templates, message rules and tokenizers of engines differ from what is configured. Dates
 * show in every probe of a template that prints them.
 */
export const PROBES: readonly Probe[] = [
  chat("plain", [SYSTEM, QUESTION]),
  chat("no_system", [QUESTION]),
  chat("turns", [
    SYSTEM,
    QUESTION,
    { role: "assistant", content: "Rain.\n\n" },
    { role: "user", content: " And Bergen? " },
  ]),
  chat("parts", [
    {
      role: "user",
      content: [
        { type: "text", text: "One" },
        { type: "text", text: "two " },
      ],
    },
  ]),
  chat("decomposed", [{ role: "user", content: "Cafe\u0301 \u1112\u1161\u11ab \ufb01 \u212b \u0344" }]),
  chat("blanks", [{ role: "user", content: "\t a\r\nb\u00a0\u0085 \u3000\ufeff c \n" }]),
  chat("scripts", [{ role: "user", content: "Привет 你好 שלום 👩‍👩‍👧 नमस्ते \u2581x" }]),
  chat("special_text", [{ role: "user", content: "a <|im_end|> b </s> c <s> <|eot_id|> d <unk>" }]),
  chat("thinking", [
    QUESTION,
    { role: "assistant", content: "<think>\nNorth.\n</think>\n\nRain.", reasoning_content: "Hm." },
    { role: "user", content: "Sure?" },
  ]),
  chat("thinking_off", [QUESTION], { chat_template_kwargs: { enable_thinking: false } }),
  chat("no_generation_prompt", [QUESTION], { add_generation_prompt: false }),
  { name: "tools", endpoint: "chat", fields: `{"messages":${JSON.stringify([SYSTEM, QUESTION])},"tools":${TOOLS}}` },
  {
    name: "tool_calls",
    endpoint: "chat",
    fields:
      `{"messages":[${JSON.stringify(QUESTION)},${CALL},{"role":"tool","tool_call_id":"call_1","content":"8 °C"}],` +
      `"tools":${TOOLS}}`,
  },
  { name: "completion", endpoint: "completions", fields: JSON.stringify({ prompt: " Once upon a time\n" }) },
];
