import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SseEvents } from "../../../src/bench/load/sse-events.ts";

const read = (chunks: readonly Buffer[]): string[] => {
  const events = new SseEvents();
  return chunks.flatMap((chunk) => events.push(chunk));
};

describe("SseEvents", () => {
  it("gives an event when its blank line is there, not before", () => {
    const events = new SseEvents();
    expect(events.push(Buffer.from("data: one\n"))).toEqual([]);
    expect(events.push(Buffer.from("\ndata: tw"))).toEqual(["one"]);
    expect(events.push(Buffer.from("o\n\n"))).toEqual(["two"]);
  });

  it("skips comments and other fields, joins data lines and takes CRLF", () => {
    const text = ": keep-alive\n\nevent: x\nid: 1\ndata: a\ndata:b\n\ndata: c\r\n\r\n";
    expect(read([Buffer.from(text)])).toEqual(["a\nb", "c"]);
  });

  it("notes comments that stand for headers, the last of a name", () => {
    const events = new SseEvents();
    expect(events.push(Buffer.from(": waiting\n\n: x-attempts: 1\n: x-attempts: 2\n\ndata: a\n\n"))).toEqual(["a"]);
    expect(events.notes).toEqual({ "x-attempts": "2" });
  });

  it("gives the same events however the bytes are split", () => {
    const payload = fc.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n]/g, " ").trim());
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 20 }), (data, cuts) => {
        const bytes = Buffer.from(data.map((text) => `data: ${text}\n\n`).join(""), "utf8");
        const positions = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length].toSorted((a, b) => a - b);
        const chunks = positions.slice(1).map((end, i) => bytes.subarray(positions[i], end));
        expect(read(chunks)).toEqual(data);
      }),
    );
  });
});
