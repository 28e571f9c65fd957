import type { CopiedClaims } from "../src/routing/claim-table.ts";
import type { KeptClaims, KeptPod } from "../src/routing/kept-claims.ts";

/** Format, then the numbers of GPU claims, host claims and guesses. */
const HEADER_WORDS = 4;
const FORMAT = 1;
/** Two words of hash and one of tokens. */
const CLAIM_WORDS = 3;
const GUESS_WORDS = 2;

/** Writes what is kept of a pod, or removes it: one row. */
export function writeStoredClaims(sql: SqlStorage, { podId, epoch, claims }: KeptPod): void {
  if (claims === undefined) {
    sql.exec("DELETE FROM claims WHERE pod = ?", podId);
    return;
  }
  sql.exec(
    "INSERT INTO claims (pod, epoch, packed) VALUES (?, ?, ?) ON CONFLICT (pod) DO UPDATE SET epoch = excluded.epoch, packed = excluded.packed",
    podId,
    epoch,
    packed(claims),
  );
}

/** All pods of which claims are kept. Of a row that cannot be read, the claims are undefined. */
export function* storedClaims(sql: SqlStorage): Generator<KeptPod> {
  const rows = sql.exec<{ pod: string; epoch: string; packed: ArrayBuffer }>("SELECT pod, epoch, packed FROM claims");
  for (const { pod: podId, epoch, packed } of rows) yield { podId, epoch, claims: unpacked(packed) };
}

/** 32-bit words, little-endian as every platform of the runtime is. */
function packed({ gpu, host, guesses }: KeptClaims): ArrayBuffer {
  const counts = [gpu.words.length, host.words.length, guesses.length / GUESS_WORDS];
  const parts = [gpu.segments, gpu.words, host.segments, host.words, guesses];
  const words = new Uint32Array(HEADER_WORDS + parts.reduce((sum, { length }) => sum + length, 0));
  words.set([FORMAT, ...counts]);
  let at = HEADER_WORDS;
  for (const part of parts) {
    words.set(part, at);
    at += part.length;
  }
  return words.buffer;
}

function unpacked(buffer: ArrayBuffer): KeptClaims | undefined {
  if (buffer.byteLength % 4 !== 0 || buffer.byteLength < 4 * HEADER_WORDS) return undefined;
  const words = new Uint32Array(buffer);
  const [format, gpuCount = 0, hostCount = 0, guessCount = 0] = words;
  const length = HEADER_WORDS + CLAIM_WORDS * (gpuCount + hostCount) + GUESS_WORDS * guessCount;
  if (format !== FORMAT || words.length !== length) return undefined;
  let at = HEADER_WORDS;
  const next = (count: number): Uint32Array => {
    at += count;
    return words.subarray(at - count, at);
  };
  const claims = (count: number): CopiedClaims => ({ segments: next(2 * count), words: next(count) });
  return { gpu: claims(gpuCount), host: claims(hostCount), guesses: next(GUESS_WORDS * guessCount) };
}
