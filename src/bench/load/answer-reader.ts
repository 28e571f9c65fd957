import { z } from "zod";
import type { ReportedUsage } from "./call-outcome.ts";
import { SseEvents } from "./sse-events.ts";

const usageSchema = z
  .object({
    prompt_tokens: z.number(),
    completion_tokens: z.number().default(0),
    prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
  })
  .nullish();

const choiceSchema = z.object({
  delta: z.object({ content: z.string().nullish() }).optional(),
  message: z.object({ content: z.string().nullish() }).optional(),
  text: z.string().optional(),
  finish_reason: z.string().nullish(),
});

/** A stream's chunk or a whole answer, of chats and completions. */
const answerSchema = z.object({
  choices: z.array(choiceSchema).optional(),
  usage: usageSchema,
  error: z.object({ message: z.string() }).optional(),
});

/** Reads an answer in passing: when its first token came, its text and usage, and what is wrong with it. */
export class AnswerReader {
  readonly #events = new SseEvents();
  readonly #whole: Buffer[] = [];
  readonly #streamed: boolean;
  #done = false;
  text = "";
  usage: ReportedUsage | undefined;
  /** Finish reason of the first choice. */
  finishReason: string | undefined;
  /** The error the server sent in place of (the rest of) an answer. */
  error: string | undefined;
  firstEventMs: number | undefined;
  firstContentMs: number | undefined;

  constructor(streamed: boolean) {
    this.#streamed = streamed;
  }

  /** What comments of the stream say in place of headers. */
  get notes(): Readonly<Record<string, string>> {
    return this.#events.notes;
  }

  /** Takes bytes that came `atMs`. */
  push(bytes: Buffer, atMs: number): void {
    if (!this.#streamed) {
      this.#whole.push(bytes);
      return;
    }
    for (const data of this.#events.push(bytes)) {
      this.firstEventMs ??= atMs;
      if (data === "[DONE]") this.#done = true;
      else this.#take(data, atMs);
    }
  }

  /** The answer is over: what is wrong with it, or nothing. */
  end(atMs: number): string | undefined {
    if (!this.#streamed) {
      this.firstEventMs = atMs;
      this.#take(Buffer.concat(this.#whole).toString("utf8"), atMs);
    }
    if (this.error !== undefined) return this.error;
    return this.#streamed && !this.#done ? "the stream ended without [DONE]" : undefined;
  }

  #take(json: string, atMs: number): void {
    const parsed = answerSchema.safeParse(parseJson(json));
    if (!parsed.success) {
      this.error ??= `not an answer: ${json.slice(0, 200)}`;
      return;
    }
    const { choices, usage, error } = parsed.data;
    if (error !== undefined) this.error ??= error.message;
    const choice = choices?.[0];
    const content = choice?.delta?.content ?? choice?.message?.content ?? choice?.text ?? "";
    if (content !== "") this.firstContentMs ??= atMs;
    this.text += content;
    this.finishReason = choice?.finish_reason ?? this.finishReason;
    if (usage !== null && usage !== undefined) {
      this.usage = {
        promptTokens: usage.prompt_tokens,
        completionTokens: usage.completion_tokens,
        cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
      };
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses what is no object, and its report quotes the text.
    return undefined;
  }
}
