import { BudgetError } from "./failure.ts";

/** Longest text that an operation may make, in UTF-16 units: a hostile template must not fill an isolate's memory. */
export const maxTextLength = 1 << 25;

/** Throws BudgetError for a text that would be too long. */
export function checkTextLength(length: number): void {
  if (length > maxTextLength) throw new BudgetError("a text too long");
}

/** Joins texts of which the lengths are checked first. */
export function joinTexts(texts: readonly string[], separator: string): string {
  let length = separator.length * texts.length;
  for (const text of texts) length += text.length;
  checkTextLength(length);
  return texts.join(separator);
}

/** What writing a part costs beside its length, so that a text of many empty parts comes to an end too. */
const unitsPerPart = 12;

/** Adds up the length of a text that is written in parts, which may repeat a value that is in memory once. */
export class TextMeter {
  #length = 0;

  add<Text extends string>(part: Text): Text {
    this.#length += part.length + unitsPerPart;
    checkTextLength(this.#length);
    return part;
  }
}
