import { createServer, type ServerResponse } from "node:http";
import { cannedBody, cannedEvents } from "./canned-answers.ts";

/** An upstream that costs next to nothing: reads the body away and sends the same answer every time. */
const events = cannedEvents().map((event) => Buffer.from(event));
const body = Buffer.from(cannedBody());
const STREAM_MARK = Buffer.from('"stream":true');

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  let streamed = false;
  let seen = false;
  request.on("data", (chunk: Buffer) => {
    // The bench writes the mark in front of everything else.
    if (!seen) streamed = chunk.subarray(0, 128).includes(STREAM_MARK);
    seen = true;
  });
  request.on("end", () => {
    if (!streamed) {
      response.writeHead(200, { "content-type": "application/json", "content-length": body.byteLength });
      response.end(body);
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    sendFrom(0, response);
  });
});

/** One event a turn of the loop, as an engine sends them: written at once they would leave in one piece. */
function sendFrom(index: number, response: ServerResponse): void {
  const event = events[index];
  if (event === undefined) response.end();
  else response.write(event, () => setImmediate(sendFrom, index + 1, response));
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`);
});
process.once("SIGTERM", () => process.exit(0));
process.once("SIGINT", () => process.exit(0));
