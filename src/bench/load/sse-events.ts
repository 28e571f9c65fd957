import { StringDecoder } from "node:string_decoder";

const NOTE = /^: ([a-z0-9-]+): (.*)$/;

/**
 * Cuts a server-sent event stream into its events' data, however the bytes are split: multi-byte characters, line ends
 * (LF or CRLF) and events may all be cut in two. Other fields are skipped.
 */
export class SseEvents {
  readonly #decoder = new StringDecoder("utf8");
  #line = "";
  #data: string[] = [];
  /** Comments of the shape `: name: value`: headers of which nothing was known when headers went out. */
  readonly notes: Record<string, string> = {};

  /** The data of every event that is complete with these bytes. */
  push(bytes: Buffer): string[] {
    const lines = (this.#line + this.#decoder.write(bytes)).split("\n");
    this.#line = lines.pop() ?? "";
    const events: string[] = [];
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (this.#data.length > 0) events.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      } else {
        const [, name, value] = NOTE.exec(line) ?? [];
        if (name !== undefined && value !== undefined) this.notes[name] = value;
      }
    }
    return events;
  }
}
