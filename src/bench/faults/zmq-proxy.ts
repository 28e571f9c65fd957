import { Publisher, Subscriber } from "zeromq";
import { TcpRelay } from "./tcp-relay.ts";

/** Where an engine publishes; `tcp://host:port` each. */
export type ZmqUpstream = {
  readonly events: string;
  /** Null where the engine keeps nothing for replay. */
  readonly replay: string | null;
};

/** Messages since the start. */
export type ZmqProxyCounts = { readonly forwarded: number; readonly dropped: number };

const RECONNECT_MS = 100;

/**
 * Stands between an engine's KV event sockets and the collector, and loses live messages when told to. What was lost is
 * still there for replay, which passes through byte by byte. It loses nothing else: no mark bounds its queues.
 */
export class ZmqProxy {
  readonly #subscriber = new Subscriber({ linger: 0, receiveHighWaterMark: 0, reconnectInterval: RECONNECT_MS });
  readonly #publisher = new Publisher({ linger: 0, sendHighWaterMark: 0 });
  readonly #nowMs: () => number;
  readonly #replay: TcpRelay | null;
  #forwarding: Promise<void> = Promise.resolve();
  #closed = false;
  #messagesToDrop = 0;
  #dropsUntilMs = Number.NEGATIVE_INFINITY;
  #forwarded = 0;
  #dropped = 0;

  private constructor(replay: TcpRelay | null, nowMs: () => number) {
    this.#replay = replay;
    this.#nowMs = nowMs;
  }

  /** Binds both ports on 127.0.0.1, where the system chooses, and connects to the engine, which may come up later. */
  static async start(upstream: ZmqUpstream, nowMs = (): number => performance.now()): Promise<ZmqProxy> {
    const replay = upstream.replay === null ? null : await TcpRelay.start(upstream.replay);
    const proxy = new ZmqProxy(replay, nowMs);
    await proxy.#publisher.bind("tcp://127.0.0.1:*");
    proxy.#subscriber.subscribe();
    proxy.#subscriber.connect(upstream.events);
    proxy.#forwarding = proxy.#forward();
    return proxy;
  }

  /** Where the collector subscribes. */
  get events(): string {
    return this.#publisher.lastEndpoint ?? "";
  }

  /** Where the collector asks for replay; null where the engine has none. */
  get replay(): string | null {
    return this.#replay === null ? null : `tcp://${this.#replay.address}`;
  }

  get counts(): ZmqProxyCounts {
    return { forwarded: this.#forwarded, dropped: this.#dropped };
  }

  /** The next so many messages are lost. */
  dropNext(messages: number): void {
    this.#messagesToDrop = messages;
  }

  /** Messages of the next so many milliseconds are lost. */
  dropFor(durationMs: number): void {
    this.#dropsUntilMs = this.#nowMs() + durationMs;
  }

  /** Every further message goes through. */
  dropNothing(): void {
    this.#messagesToDrop = 0;
    this.#dropsUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** Closes all sockets, replays under way included. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#subscriber.close();
    this.#publisher.close();
    await this.#replay?.close();
    await this.#forwarding;
  }

  async #forward(): Promise<void> {
    try {
      for await (const frames of this.#subscriber) {
        if (this.#drops()) this.#dropped++;
        else {
          await this.#publisher.send(frames);
          this.#forwarded++;
        }
      }
    } catch (error) {
      // Closing a socket fails what is under way on it.
      if (!this.#closed) throw error;
    }
  }

  /** Whether the message that has just come is lost. */
  #drops(): boolean {
    if (this.#nowMs() < this.#dropsUntilMs) return true;
    if (this.#messagesToDrop === 0) return false;
    this.#messagesToDrop--;
    return true;
  }
}
