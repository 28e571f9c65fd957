import type { ExplainedCandidate, ExplainReply } from "./explain-reply.ts";
import { type PodNames, podNames } from "./pod-names.ts";
import { figure, type TextColumn, textTable } from "./text-columns.ts";

/** Pods shown of each list; the others are counted. */
const MOST_SHOWN = 10;

const OUTCOMES = {
  held: "would wait for a pod with room; with room everywhere it would go to",
  refused: "would be refused; with room everywhere it would go to",
  held_without_pods: "would wait for a first pod to come up",
  no_endpoints: "would be refused: no pod takes it",
} as const;

/** Short for why a pod is left out. */
const REASONS: Readonly<Record<string, string>> = {
  other_model: "does not serve the model",
  draining: "draining",
  unready: "not ready",
  tried: "excluded",
  stale: "its collector is silent",
  ejected: "ejected for failures",
  no_room: "full",
};

/** An explanation as lines of text. */
export function explainLines(reply: ExplainReply): string[] {
  const { candidates, leftOut } = reply;
  const names = podNames([...candidates, ...leftOut].map(({ id }) => id));
  return [
    promptLine(reply),
    ...verdictLines(reply, names),
    ...(candidates.length === 0 ? [] : ["", ...candidateLines(reply, names)]),
    ...(leftOut.length === 0 ? [] : ["", ...leftOutLines(reply, names)]),
    ...(names.pattern === undefined ? [] : ["", `Pods are ${names.pattern}.`]),
  ];
}

function promptLine({ model, prompt }: ExplainReply): string {
  const { endpoint, renderer, bytes, tokens, segments, segmentBytes, approximate } = prompt;
  const adapter = model.adapter === null ? "" : ` (adapter of ${model.base})`;
  const length = `${figure(bytes)} bytes, about ${figure(tokens)} tokens, ${figure(segments)} segments of ${segmentBytes} bytes`;
  const doubt = approximate === null ? "" : `; approximate: ${approximate}`;
  return `${model.asked}${adapter}, ${endpoint}, renderer ${renderer}: ${length}${doubt}`;
}

function verdictLines({ policy, admission, candidates }: ExplainReply, names: PodNames): string[] {
  const { outcome, waitMs, ahead, refused } = admission;
  const parameters = Object.keys(policy.parameters).length === 0 ? "" : ` ${JSON.stringify(policy.parameters)}`;
  const [choice] = candidates;
  const pod = choice === undefined ? "" : ` ${names.shortOf(choice.id)}`;
  const others = candidates.length > 1 ? "; the others follow in the order it would take them" : "";
  const lines = [`${policy.name}${parameters}: ${outcome === "placed" ? "goes to" : OUTCOMES[outcome]}${pod}${others}`];
  const wait = `${figure(ahead)} waiting, about ${figure((waitMs ?? 0) / 1_000)} s ahead of it`;
  if (ahead !== undefined) lines.push(refused === undefined ? `Queue: ${wait}` : `Queue: ${wait}; ${refused}`);
  return lines;
}

function candidateLines(reply: ExplainReply, names: PodNames): string[] {
  const { candidates, columns, chosen } = reply;
  const isNothing = (column: number) => candidates.every(({ terms }) => terms[column] === 0);
  const terms = columns.flatMap(({ name, unit }, i): TextColumn<ExplainedCandidate>[] =>
    isNothing(i) ? [] : [{ title: titleOf(name, unit), figures: true, value: (pod) => figure(pod.terms[i]) }],
  );
  const nothing = columns.filter((_, i) => isNothing(i)).map(({ name, unit }) => titleOf(name, unit)[0]);
  const shownAlready = columns.some(({ name }, i) => name === "matchedTokens" && !isNothing(i));
  const table = textTable<ExplainedCandidate>(
    [
      { title: [""], value: ({ id }) => (id === chosen ? ">" : "") },
      { title: ["pod"], value: ({ id }) => names.shortOf(id) },
      ...terms,
      ...(shownAlready || nothing.includes("matched")
        ? []
        : [
            {
              title: ["matched", "tokens"] as const,
              figures: true,
              value: (pod: ExplainedCandidate) => figure(pod.matchedTokens),
            },
          ]),
      { title: ["in flight"], figures: true, value: ({ inFlight, foreign }) => figure(inFlight + foreign) },
      { title: ["index"], value: ({ index, doubted }) => (doubted ? `${index.mode}, in doubt` : index.mode) },
    ],
    candidates.slice(0, MOST_SHOWN),
  );
  return [
    ...table,
    ...moreLines(candidates.length),
    ...(nothing.length === 0 ? [] : [`0 for every pod: ${nothing.join(", ")}`]),
  ];
}

function leftOutLines({ leftOut }: ExplainReply, names: PodNames): string[] {
  const table = textTable<ExplainReply["leftOut"][number]>(
    [
      { title: ["left out"], value: ({ id }) => names.shortOf(id) },
      { title: ["why"], value: ({ reasons }) => reasons.map((reason) => REASONS[reason] ?? reason).join(", ") },
    ],
    leftOut.slice(0, MOST_SHOWN),
  );
  return [...table, ...moreLines(leftOut.length)];
}

function moreLines(pods: number): string[] {
  return pods > MOST_SHOWN ? [`${pods - MOST_SHOWN} more`] : [];
}

/** `backlogMs` in ms is titled `backlog` over `ms`. */
function titleOf(name: string, unit: string | null): readonly [string, string | undefined] {
  const bare = unit === null ? name : name.replace(/(TokensPerS|Ms|S|Tokens|Blocks|Percent|Share)$/, "");
  return [bare.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`), unit ?? undefined];
}
