/** Token counts as the engine reported them to the client. */
export type ReportedUsage = {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
};

/** What one request came to, as its client saw it. Times are wall milliseconds from the moment it was sent. */
export type CallOutcome = {
  /** `aborted`: the client itself left, as planned. */
  readonly kind: "completed" | "failed" | "aborted";
  /** Why it failed. */
  readonly problem: string | undefined;
  /** Undefined where no answer began. */
  readonly status: number | undefined;
  /** What a stream's comments say in place of a header counts in its stead. */
  readonly headers: Readonly<Record<string, string>>;
  readonly firstByteMs: number | undefined;
  /** To the first token with content; to the first event where the answer has none. */
  readonly ttftMs: number | undefined;
  readonly endMs: number;
  /** Content of the first choice; tool calls apart. */
  readonly text: string;
  readonly usage: ReportedUsage | undefined;
};

/** The `dur` of a `server-timing` metric in ms, or nothing. */
export function serverTimingMs(outcome: CallOutcome, metric: string): number | undefined {
  const header = outcome.headers["server-timing"] ?? "";
  for (const entry of header.split(",")) {
    const [name, ...parameters] = entry.split(";").map((part) => part.trim());
    const duration = parameters.find((parameter) => parameter.startsWith("dur="));
    if (name === metric && duration !== undefined) return Number(duration.slice(4));
  }
  return undefined;
}

/** What the router expected when it decided, from the debug header `x-warmpath-match: matched/prompt`. */
export function predictedHit({ headers }: CallOutcome): {
  readonly matchedTokens: number;
  readonly promptTokens: number;
} {
  const [matchedTokens = 0, promptTokens = 0] = (headers["x-warmpath-match"] ?? "0/0").split("/").map(Number);
  return { matchedTokens, promptTokens };
}
