import type { FleetCall } from "../../sim/fleet/workload.ts";
import { engineText } from "../traces/engine-text.ts";
import type { LivePrompt, LiveSession } from "../traces/live-session.ts";
import { loadSessions } from "../traces/load-sessions.ts";
import { openTrace } from "../traces/read-trace.ts";
import type { TraceRow } from "../traces/trace-rows.ts";
import { byteUnits, type TextUnits, tokenUnits } from "./text-units.ts";

/** A trace as the fleet simulator plays it: sessions of calls, each call with its recorded arrival where there is one. */
export type FleetTrace = {
  readonly unitTokens: number;
  /** Unit ids are below this. */
  readonly idSpace: number;
  /** `closed`: recorded by session, with pauses; `open`: recorded by arrival. */
  readonly kind: "open" | "closed";
  readonly sessions: readonly (readonly TimedCall[])[];
};

/** A call and its recorded arrival in ms; 0 where none was recorded. */
export type TimedCall = { readonly call: FleetCall; readonly atMs: number };

/** How recorded agents are cut for a model of limited context. */
export type FleetTraceOptions = {
  /** Sessions end before a call of more tokens than this, prompt and answer together. */
  readonly mostTokens: number;
  /** Leading tokens of every prompt that all sessions share. */
  readonly commonTokens: number;
  readonly seed: number;
};

/** Longest pause of a client: recorded pauses go on for hours. */
const MOST_THINK_MS = 60_000;
/** Sessions of fewer calls say nothing about reuse. */
const LEAST_CALLS = 3;
const AGENT_UNIT_TOKENS = 64;
const OPENING_CHARACTERS = 100;
const MOONCAKE_UNIT_TOKENS = 512;
/** Where a trace has statistics only, this many requests are drawn from them. */
const DRAWN_REQUESTS = 10_000;

/** Reads a trace of any known format. Throws TraceError. */
export async function readFleetTrace(file: string, options: FleetTraceOptions): Promise<FleetTrace> {
  const trace = await openTrace(file);
  switch (trace.format) {
    case "codingAgents":
      return codingAgents(trace.rows, options);
    case "mooncake":
      return mooncake(trace.rows);
    case "lengths":
      return lengths(trace.rows);
    default: {
      await trace.rows.return(undefined);
      const load = { mostTokens: options.mostTokens, drawnRequests: DRAWN_REQUESTS, seed: options.seed };
      const { sessions } = await loadSessions(file, load);
      return trace.format === "clientRates"
        ? texts(sessions, "open", await byteUnits())
        : texts(sessions, "closed", tokenUnits());
    }
  }
}

/** A call before it is known whose it is and which one follows it. */
type LooseCall = Omit<FleetCall, "next" | "session">;

async function codingAgents(
  rows: AsyncIterable<TraceRow<"codingAgents">>,
  { mostTokens, commonTokens }: FleetTraceOptions,
): Promise<FleetTrace> {
  const commonUnits = Math.floor(commonTokens / AGENT_UNIT_TOKENS);
  const sessions = new Map<string, LooseCall[]>();
  const bases = new Map<string, number>();
  const ended = new Set<string>();
  let idSpace = commonUnits;
  let base = idSpace;
  for await (const row of rows) {
    // Sub-agents run beside their parent; the main threads alone are one call at a time.
    if (row.agent !== 0 || ended.has(row.session)) continue;
    if (row.input_length + row.output_length > mostTokens) {
      ended.add(row.session);
      continue;
    }
    const known = bases.get(row.session);
    base = known ?? idSpace;
    if (known === undefined) bases.set(row.session, base);
    const runs = new Uint32Array(row.hash_runs.flatMap(([start, count]) => [base + start, count]));
    for (let i = 0; i < runs.length; i += 2) idSpace = Math.max(idSpace, (runs[i] as number) + (runs[i + 1] as number));
    const call: LooseCall = {
      promptTokens: Math.max(1, row.input_length),
      outputTokens: Math.max(1, row.output_length),
      thinkMs: Math.min(MOST_THINK_MS, 1_000 * (row.think_time ?? 0)),
      runs: withCommonHead(runs, commonUnits),
    };
    const calls = sessions.get(row.session);
    if (calls === undefined) sessions.set(row.session, [call]);
    else calls.push(call);
  }
  const long = [...sessions.values()].filter(({ length }) => length >= LEAST_CALLS);
  return { unitTokens: AGENT_UNIT_TOKENS, idSpace, kind: "closed", sessions: long.map((calls, i) => linked(calls, i)) };
}

/** Replaces the first units of a prompt by units that every session has: ids 0 and up. */
function withCommonHead(runs: Uint32Array, units: number): Uint32Array {
  if (units === 0) return runs;
  const rest: number[] = [];
  let replaced = 0;
  for (let i = 0; i < runs.length; i += 2) {
    const start = runs[i] as number;
    const count = runs[i + 1] as number;
    const head = Math.min(count, units - replaced);
    replaced += head;
    if (count > head) rest.push(start + head, count - head);
  }
  return Uint32Array.of(0, replaced, ...rest);
}

/** Requests that share fewer leading units are strangers: one unit may be every user's system prompt. */
const LEAST_SHARED_UNITS = 2;

async function mooncake(rows: AsyncIterable<TraceRow<"mooncake">>): Promise<FleetTrace> {
  const sessions: { call: LooseCall; atMs: number }[][] = [];
  const lastHolder = new Map<number, number>();
  let idSpace = 0;
  for await (const { timestamp, input_length, output_length, hash_ids } of rows) {
    // The last unit may be a partial one, which no cache keeps.
    const ids = hash_ids.slice(0, Math.floor(input_length / MOONCAKE_UNIT_TOKENS));
    for (const id of ids) idSpace = Math.max(idSpace, id + 1);
    const deepest = ids.findLastIndex((id, i) => i + 1 >= LEAST_SHARED_UNITS && lastHolder.has(id));
    let session = deepest < 0 ? undefined : lastHolder.get(ids[deepest] as number);
    if (session === undefined) session = sessions.push([]) - 1;
    for (const id of ids) lastHolder.set(id, session);
    const call = {
      promptTokens: Math.max(1, input_length),
      outputTokens: Math.max(1, output_length),
      thinkMs: 0,
      runs: runsOf(ids),
    };
    sessions[session]?.push({ call, atMs: timestamp });
  }
  const linkedSessions = sessions.map((calls, i) =>
    linked(
      calls.map(({ call }) => call),
      i,
      calls.map(({ atMs }) => atMs),
    ),
  );
  return { unitTokens: MOONCAKE_UNIT_TOKENS, idSpace, kind: "open", sessions: linkedSessions };
}

/** Lengths without prefixes: every request has ids of its own. */
async function lengths(rows: AsyncIterable<TraceRow<"lengths">>): Promise<FleetTrace> {
  const sessions: TimedCall[][] = [];
  let idSpace = 0;
  for await (const { timestamp, input_length, output_length } of rows) {
    const units = Math.floor(input_length / AGENT_UNIT_TOKENS);
    const runs = units === 0 ? new Uint32Array(0) : Uint32Array.of(idSpace, units);
    idSpace += units;
    const lonely = {
      promptTokens: Math.max(1, input_length),
      outputTokens: Math.max(1, output_length),
      thinkMs: 0,
      runs,
    };
    sessions.push(linked([lonely], sessions.length, [timestamp]));
  }
  return { unitTokens: AGENT_UNIT_TOKENS, idSpace, kind: "open", sessions };
}

/** Texts: units are named in the order they are first seen. */
function texts(recorded: readonly LiveSession[], kind: FleetTrace["kind"], units: TextUnits): FleetTrace {
  const names = new Map<bigint, number>();
  const sessions = recorded.map(({ calls }, index) =>
    linked(
      calls.map((call): LooseCall => {
        const prompt = units.of(engineText(call.prompt()));
        const ids: number[] = [];
        for (const hash of prompt.hashes) {
          const name = names.get(hash) ?? names.size;
          if (name === names.size) names.set(hash, name);
          ids.push(name);
        }
        const { answer } = call;
        return {
          promptTokens: Math.max(1, prompt.tokens),
          outputTokens: Math.max(1, answer.kind === "tokens" ? answer.tokens : units.of(answer.text).tokens),
          thinkMs: TEXT_THINK_MS,
          runs: runsOf(ids),
          opening: openingOf(call.prompt()),
        };
      }),
      index,
      calls.map(({ arrivalMs }) => arrivalMs ?? 0),
    ),
  );
  return {
    unitTokens: units.unitTokens,
    idSpace: names.size,
    kind,
    sessions: sessions.filter((s) => s.length > 0),
  };
}

/** As the edge has it: the first characters of the first user message, or of the prompt. */
function openingOf(prompt: LivePrompt): string | undefined {
  const text = prompt.kind === "text" ? prompt.text : prompt.messages.find(({ role }) => role === "user")?.content;
  return text?.slice(0, OPENING_CHARACTERS);
}

/** Text sets record no usable pauses; this is the median of the recorded agents'. */
const TEXT_THINK_MS = 10_000;

function runsOf(ids: readonly number[]): Uint32Array {
  const runs: number[] = [];
  for (let i = 0; i < ids.length; ) {
    let count = 1;
    while (ids[i + count] === (ids[i] as number) + count) count++;
    runs.push(ids[i] as number, count);
    i += count;
  }
  return Uint32Array.from(runs);
}

/** The calls of a session, each with the one after it. */
function linked(calls: readonly LooseCall[], session: number, times: readonly number[] = []): TimedCall[] {
  const timed: TimedCall[] = [];
  let next: FleetCall | undefined;
  for (let i = calls.length - 1; i >= 0; i--) {
    next = { ...(calls[i] as LooseCall), session, next };
    timed.push({ call: next, atMs: times[i] ?? 0 });
  }
  return timed.reverse();
}
