import { codePoints } from "./code-points.ts";
import { UnsupportedError } from "./failure.ts";

const cased = /\p{Lowercase}|\p{Uppercase}|\p{Lt}/u;
const lowercase = /\p{Lowercase}/u;
const uppercase = /\p{Uppercase}|\p{Lt}/u;

/** Python's `text.capitalize()`. */
export function capitalize(text: string): string {
  refuseCapitalSigma(text);
  const [first, ...rest] = codePoints(text);
  return first === undefined ? "" : titleCharacter(first) + lower(rest.join(""));
}

/** Python's `text.title()`: a character is upper where the one before is not cased. */
export function titleCase(text: string): string {
  refuseCapitalSigma(text);
  let afterCased = false;
  let result = "";
  for (const character of text) {
    result += afterCased ? lower(character) : titleCharacter(character);
    afterCased = cased.test(character);
  }
  return result;
}

/** Python's `text.swapcase()`. */
export function swapCase(text: string): string {
  refuseCapitalSigma(text);
  return codePoints(text)
    .map((character) => {
      if (uppercase.test(character)) return lower(character);
      return lowercase.test(character) ? character.toUpperCase() : character;
    })
    .join("");
}

/** Python's `text.lower()`. */
export function lower(text: string): string {
  return text.toLowerCase();
}

/** Some characters are cased, and all of those are in the case asked for: `islower`, `isupper`. */
export function isCase(text: string, which: "lower" | "upper"): boolean {
  const wrong = which === "lower" ? uppercase : lowercase;
  const right = which === "lower" ? lowercase : uppercase;
  return right.test(text) && !wrong.test(text) && (which === "lower" || !/\p{Lt}/u.test(text));
}

/** Its lower case depends on the characters around it, which these functions take one by one. */
function refuseCapitalSigma(text: string): void {
  if (text.includes("\u03a3")) throw new UnsupportedError("the case of a capital sigma");
}

/** Upper case, except where Unicode has a title case of its own that JavaScript does not know. */
function titleCharacter(character: string): string {
  const upper = character.toUpperCase();
  if (
    /^[\u01c4-\u01cc\u01f1-\u01f3\u10d0-\u10ff]$/.test(character) ||
    (upper.length > character.length && !/^ß$/.test(character))
  ) {
    throw new UnsupportedError(`the title case of '${character}'`);
  }
  return character === "ß" ? "Ss" : upper;
}
