/** A stored text as JSON. What is none is as good as nothing stored: undefined. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
