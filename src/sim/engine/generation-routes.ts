import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AnswerFormat, AnswerIdentity } from "./answer-format.ts";
import { ChatFormat } from "./chat-format.ts";
import { CompletionFormat } from "./completion-format.ts";
import { type EngineServices, resolveModel } from "./engine-services.ts";
import { Generation, type PlannedChoice } from "./generation.ts";
import { checkLengths, type GenerationRequest, readChatRequest, readCompletionRequest } from "./generation-request.ts";
import { answerWithStatus, readText, startEventStream } from "./http-reply.ts";
import { readRequestBody } from "./request-body.ts";
import { Sequence } from "./sequence.ts";
import { writeToolArguments } from "./tool-arguments.ts";

/** The two ways to ask for generated text. */
export type GenerationKind = "chat" | "completion";

const DEFAULT_MAX_TOKENS = 64;

/** Serves POST /v1/chat/completions and /v1/completions, struck by whatever fault is on. Throws ApiError. */
export async function serveGeneration(
  kind: GenerationKind,
  request: IncomingMessage,
  response: ServerResponse,
  services: EngineServices,
): Promise<void> {
  const text = await readText(request);
  const fault = services.requestFaults.take();
  if (fault?.kind === "status") return answerWithStatus(fault, response);
  if (fault?.kind === "hang") return holdOpen(response, services);
  const body = readRequestBody(text);
  const asked =
    kind === "chat" ? readChatRequest(body, services.tokenizer) : readCompletionRequest(body, services.tokenizer);
  const model = resolveModel(services.options, asked.model);
  checkLengths(asked, services.dimensions.maxModelLen);
  if (fault?.kind === "hang-after-headers") {
    if (asked.stream) startEventStream(response);
    return holdOpen(response, services);
  }
  const requestId = request.headers["x-request-id"];
  const id = typeof requestId === "string" ? requestId : randomUUID().replaceAll("-", "");
  const identity = { createdUnixS: Math.floor(Date.now() / 1000), model: model.name };
  const plan = {
    choices: planChoices(asked, model.adapter, services),
    choicesPerPrompt: asked.choicesPerPrompt,
    format: kind === "chat" ? chatFormat(id, identity, asked) : completionFormat(id, identity, asked, services),
    stream: asked.stream,
    includeUsage: asked.includeUsage,
    usageInEveryChunk: asked.usageInEveryChunk,
    fault,
  };
  const { ledger, clock } = services;
  new Generation(plan, response, { core: services.core(), ledger, nowMs: () => clock.nowMs() }).start();
}

function planChoices(
  asked: GenerationRequest,
  adapter: Sequence["namespace"]["adapter"],
  services: EngineServices,
): PlannedChoice[] {
  const text = asked.forcedTool === null ? asked.forcedAnswer : writeToolArguments(asked.forcedTool.parameters);
  const askedTokens = asked.maxTokens ?? (text === null ? DEFAULT_MAX_TOKENS : Number.POSITIVE_INFINITY);
  return asked.prompts.flatMap((prompt) =>
    Array.from({ length: asked.choicesPerPrompt }, (_, choice) => {
      const answer = services.answers.write({
        prompt,
        choice,
        seed: asked.seed ?? services.options.seed,
        maxTokens: Math.min(askedTokens, services.dimensions.maxModelLen - prompt.length),
        text,
        stop: asked.stop,
      });
      return { answer, sequence: new Sequence(prompt, answer.tokens, { adapter, cacheSalt: asked.cacheSalt }) };
    }),
  );
}

function chatFormat(id: string, identity: Omit<AnswerIdentity, "id">, asked: GenerationRequest): AnswerFormat {
  return new ChatFormat({ id: `chatcmpl-${id}`, ...identity }, asked.forcedTool);
}

function completionFormat(
  id: string,
  identity: Omit<AnswerIdentity, "id">,
  asked: GenerationRequest,
  services: EngineServices,
): AnswerFormat {
  const echoed = asked.echo
    ? asked.prompts.flatMap((prompt) =>
        new Array<string>(asked.choicesPerPrompt).fill(services.tokenizer.decode(prompt)),
      )
    : [];
  return new CompletionFormat({ id: `cmpl-${id}`, ...identity }, echoed);
}

/** Says nothing (more) until the client gives up. */
function holdOpen(response: ServerResponse, services: EngineServices): void {
  const close = services.ledger.open();
  response.once("close", () => close("aborted"));
}
