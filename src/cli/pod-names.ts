/** Pod ids (`cluster/namespace/name/port`) without what all of them share. */
export type PodNames = {
  readonly shortOf: (id: string) => string;
  /** How to read them: `local/default/NAME/8000`; undefined where nothing is left out. */
  readonly pattern: string | undefined;
};

/** Names longer than this lose the beginning that they share, a deployment's name mostly, up to a dash. */
const LONG_NAME = 24;

/** Leaves out the parts at the beginning and the end that are the same in every id. */
export function podNames(ids: readonly string[]): PodNames {
  const distinct = [...new Set(ids)];
  const [first = ""] = distinct;
  if (distinct.length < 2) return { shortOf: (id) => id, pattern: undefined };
  const tail = sharedEnd(distinct);
  let head = sharedBeginning(distinct, "/");
  const longest = Math.max(...distinct.map((id) => id.length)) - head - tail;
  if (longest > LONG_NAME) head = Math.max(head, sharedBeginning(distinct, "-"));
  const pattern = `${first.slice(0, head)}NAME${first.slice(first.length - tail)}`;
  return {
    shortOf: (id) => id.slice(head, id.length - tail),
    pattern: head + tail === 0 ? undefined : pattern,
  };
}

/** Characters up to and including the last `separator` that all ids begin with. */
function sharedBeginning(ids: readonly string[], separator: string): number {
  const [first = ""] = ids;
  let shared = 0;
  while (shared < first.length && ids.every((id) => id[shared] === first[shared])) shared++;
  return first.slice(0, shared).lastIndexOf(separator) + 1;
}

/** Characters from the last slash on, where all ids end alike. */
function sharedEnd(ids: readonly string[]): number {
  const ends = new Set(ids.map((id) => id.slice(Math.max(0, id.lastIndexOf("/")))));
  const [end = ""] = ends;
  return ends.size === 1 && end.startsWith("/") ? end.length : 0;
}
