import { valueError } from "./failure.ts";

/**
 * Python counts a `str` in code points, JavaScript in UTF-16 units. Text without surrogates (nearly all) needs no
 * counting.
 */

const surrogate = /[\ud800-\udfff]/;

/** The code points of a text, each as a string. A lone surrogate is one. */
export function codePoints(text: string): string[] {
  return Array.from(text);
}

/** Python's `len()` of a text. */
export function textLength(text: string): number {
  if (!surrogate.test(text)) return text.length;
  let length = 0;
  for (let at = 0; at < text.length; at += unitsAt(text, at)) length++;
  return length;
}

/** Python's `text[index]`; undefined outside. */
export function characterAt(text: string, index: number): string | undefined {
  if (!surrogate.test(text)) return text.at(index);
  const start = unitOffset(text, index < 0 ? index + textLength(text) : index);
  return start === undefined ? undefined : text.slice(start, start + unitsAt(text, start)) || undefined;
}

/** The number of code points before a UTF-16 offset. */
export function codePointOffset(text: string, unitOffset: number): number {
  return textLength(text.slice(0, unitOffset));
}

/** UTF-16 units of the code point that starts at `at`. */
function unitsAt(text: string, at: number): 1 | 2 {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

/** Where the code point of that index starts, up to the end of the text; undefined for a negative one. */
function unitOffset(text: string, index: number): number | undefined {
  if (index < 0) return undefined;
  let at = 0;
  for (let passed = 0; passed < index && at < text.length; passed++) at += unitsAt(text, at);
  return at;
}

/** Bounds of a Python slice, undefined where left out. */
export type SliceBounds = {
  readonly start: number | undefined;
  readonly stop: number | undefined;
  readonly step: number | undefined;
};

/** The indices a slice takes from a sequence of `length` items (CPython, `PySlice_AdjustIndices`). */
export function sliceIndices(length: number, { start, stop, step = 1 }: SliceBounds): number[] {
  if (step === 0) throw valueError("slice step cannot be zero");
  const indices: number[] = [];
  const [lowest, highest] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (bound: number | undefined, fallback: number): number => {
    if (bound === undefined) return fallback;
    return Math.min(Math.max(bound < 0 ? bound + length : bound, lowest), highest);
  };
  const end = clamp(stop, step > 0 ? highest : lowest);
  for (let at = clamp(start, step > 0 ? lowest : highest); step > 0 ? at < end : at > end; at += step) indices.push(at);
  return indices;
}

function clampedBound(bound: number, length: number): number {
  return Math.max(0, bound < 0 ? bound + length : bound);
}

/** Python's `text[start:stop:step]`. */
export function sliceText(text: string, bounds: SliceBounds): string {
  const { start, stop, step = 1 } = bounds;
  if (step === 1 && !surrogate.test(text)) return text.slice(start, stop);
  if (step === 1) {
    const length = textLength(text);
    const from = unitOffset(text, clampedBound(start ?? 0, length)) ?? 0;
    const to = unitOffset(text, clampedBound(stop ?? length, length)) ?? 0;
    return text.slice(from, Math.max(from, to));
  }
  const points = codePoints(text);
  return sliceIndices(points.length, bounds)
    .map((index) => points[index] ?? "")
    .join("");
}

/** Orders two texts by code points, as Python does: negative, zero or positive. */
export function compareText(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  for (let at = 0; at < shorter; at++) {
    const difference = rank(left.charCodeAt(at)) - rank(right.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** A UTF-16 unit's place in code point order: surrogates stand for code points above all other units. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
