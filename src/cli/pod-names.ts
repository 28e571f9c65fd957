/** Pod ids (`cluster/namespace/name/port`) without what all of them share. */
export type PodNames = {
  readonly shortOf: (id: string) => string;
  /** How to read them: `local/default/NAME/8000`; undefined where nothing is left out. */
  readonly pattern: string | undefined;
};

/** Leaves out the parts at the beginning and the end that are the same in every id. */
export function podNames(ids: readonly string[]): PodNames {
  const parts = ids.map((id) => id.split("/"));
  const [first = []] = parts;
  const isShared = (at: (id: readonly string[]) => string | undefined) => parts.every((id) => at(id) === at(first));
  const most = Math.min(...parts.map((id) => id.length)) - 1;
  if (ids.length < 2 || most < 1) return { shortOf: (id) => id, pattern: undefined };
  let head = 0;
  while (head < most && isShared((id) => id[head])) head++;
  let tail = 0;
  while (head + tail < most && isShared((id) => id.at(-1 - tail))) tail++;
  if (head + tail === 0) return { shortOf: (id) => id, pattern: undefined };
  return {
    shortOf: (id) =>
      id
        .split("/")
        .slice(head, tail === 0 ? undefined : -tail)
        .join("/"),
    pattern: [...first.slice(0, head), "NAME", ...first.slice(first.length - tail)].join("/"),
  };
}
