import { isBlank } from "../python/text-blanks.ts";

/** Methods of `str` that ask something of every character; all but `isascii` are false for "". */
export const characterTests: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["isascii", (text: string) => !/[^\0-\x7f]/.test(text)],
  ["isspace", every(isBlank)],
  ["isalpha", every((character) => /\p{L}/u.test(character))],
  ["isdecimal", every((character) => /\p{Nd}/u.test(character))],
  ["isdigit", every(isDigit)],
  ["isnumeric", every((character) => /\p{N}/u.test(character) || isDigit(character))],
  ["isalnum", every((character) => /[\p{L}\p{N}]/u.test(character))],
  ["istitle", isTitle],
]);

function every(test: (character: string) => boolean): (text: string) => boolean {
  return (text) => text !== "" && Array.from(text).every(test);
}

/** Decimal digits, and those that only have a digit value: superscripts, circled and the like. */
function isDigit(character: string): boolean {
  return /[\p{Nd}²³¹⁰⁴-⁹₀-₉፩-፱᧚①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒]/u.test(character);
}

function isTitle(text: string): boolean {
  let afterCased = false;
  let anyCased = false;
  for (const character of text) {
    const upper = /[\p{Uppercase}\p{Lt}]/u.test(character);
    const lower = /\p{Lowercase}/u.test(character);
    if ((upper && afterCased) || (lower && !afterCased)) return false;
    afterCased = upper || lower;
    anyCased ||= afterCased;
  }
  return anyCased;
}
