import type { IndexState } from "../kv-event-sink.ts";
import { isAtLeast } from "./engine-version.ts";

/** What a pod's events have shown of how complete its claims are. */
export type IndexEvidence = {
  /** `complete`: every event since the engine's cache was empty is taken into account. */
  readonly history: "unproven" | "complete" | "lost";
  /** The engine's block hashes do not cover what comes before a block. */
  readonly hashesUnchained: boolean;
  /** Events do not say which blocks are salted or hold images: such blocks pass for plain text. */
  readonly extraKeysMissing: boolean;
  /** Salted blocks are announced, but cannot be told from others by their hash and are left out. */
  readonly saltsLeftOut: boolean;
  /** Kinds of cache groups beside full attention. */
  readonly otherKinds: readonly string[];
  readonly ranks: number;
};

/** Nothing was seen. */
export const NO_EVIDENCE: IndexEvidence = {
  history: "unproven",
  hashesUnchained: false,
  extraKeysMissing: false,
  saltsLeftOut: false,
  otherKinds: [],
  ranks: 0,
};

/** Why a pod's events are not translated. */
export type TranslationRefusal =
  | "starting"
  | "no_hash_secret"
  | "no_vocabulary"
  | "sglang_unchained_hashes"
  | "sglang_version_unknown";

export type IndexFacts = {
  readonly publishesEvents: boolean;
  /** Undefined: they are translated. */
  readonly refusal: TranslationRefusal | undefined;
  readonly evidence: IndexEvidence;
  /** Whether the prompt's text is proven to be what this engine tokenizes. */
  readonly rendererProof: IndexState;
  readonly engine: string;
  readonly engineVersion: string | undefined;
  readonly servesAdapters: boolean;
};

/**
 * How far a pod's claims can be trusted. `approximate`: they say little about what a request will find. `mixed`: each is
 * right, but there is more in the cache, or a hit needs more than they tell. `exact`: neither.
 */
export function indexState(facts: IndexFacts): IndexState {
  const { evidence, rendererProof } = facts;
  if (!facts.publishesEvents) return { mode: "approximate", reason: "no_events" };
  if (facts.refusal !== undefined) return { mode: "approximate", reason: facts.refusal };
  if (evidence.hashesUnchained) return { mode: "approximate", reason: "unchained_hashes" };
  if (rendererProof.mode === "approximate") return rendererProof;
  const reasons = incompleteness(facts);
  if (reasons.length > 0) return { ...rendererProof, mode: "mixed", reason: reasons.join(",") };
  return rendererProof;
}

function incompleteness({ evidence, engine, engineVersion, servesAdapters }: IndexFacts): string[] {
  const reasons: string[] = [];
  if (evidence.history !== "complete") reasons.push("history_lost");
  if (evidence.otherKinds.length > 0) reasons.push(`hybrid:${evidence.otherKinds.join("+")}`);
  if (evidence.ranks > 1) reasons.push("several_ranks");
  if (evidence.saltsLeftOut) reasons.push("salts_left_out");
  // SGLang's events do not name the adapter that a block belongs to.
  if (engine === "sglang" && servesAdapters) reasons.push("adapters_unseen");
  // From 0.5.18 on SGLang's events name a block's salt, and an image's token ids are in no vocabulary.
  const tellsSalts = engine === "sglang" && isAtLeast(engineVersion, [0, 5, 18]) === true;
  if (evidence.extraKeysMissing && !tellsSalts) reasons.push("extra_keys_unseen");
  return reasons;
}
