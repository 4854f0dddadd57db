/**
 * One WebSocket, from opening to its end. It ends exactly once, also where the network just went quiet; the next
 * one is somebody else's business.
 */

import type { Clock, Timer } from "./clock.js";
import { BAD_TOKEN, TOKEN_EXPIRED, type Ending } from "./closing.js";
import { Failure } from "./failure.js";
import { parseFrame, writeFrame, type RawFrame } from "./frames.js";
import { freshId } from "./ids.js";
import type { Limits } from "./limits.js";
import type { Goodbye, Welcome } from "./types.js";

/** What the SDK needs of a WebSocket: the browser's, node's, and that of the package `ws` all have it. */
export interface Socket {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
}

/** Opens a WebSocket. */
export type OpenSocket = (url: string, protocols: string[]) => Socket;

export interface ConnectionEvents {
  /** The server knows who we are; from here on frames may be sent. */
  welcomed(welcome: Welcome): void;
  frame(frame: RawFrame): void;
  /** Called once, and nothing after it. `wasOpen`: the server took the connection at all. */
  ended(ending: Ending, wasOpen: boolean): void;
}

/** Our own close code for a server that fell silent: in the range that RFC 6455 leaves to applications. */
const SILENT = 4_900;

export class Connection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #authentication: { id: string; token: string } | null;
  #over = false;
  #wasOpen = false;
  #goodbye: Goodbye | null = null;
  #watch: Timer;

  /** @param token to be sent as the first frame, where no subprotocol carries it. */
  constructor(socket: Socket, token: string | null, events: ConnectionEvents, clock: Clock, limits: Limits) {
    this.#authentication = token === null ? null : { id: freshId(), token };
    this.#socket = socket;
    this.#events = events;
    this.#clock = clock;
    this.#limits = limits;
    this.#watch = clock.after(limits.connectMsMax, () => this.#giveUp(SILENT, "no welcome in time"));
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#end({ code, reason });
    socket.onerror = () => {}; // `close` always follows, with all there is to know
  }

  /** Hands a frame to the socket. It may still be lost: only an answer says that it was not. */
  send(text: string): void {
    if (!this.#over) this.#socket.send(text);
  }

  /** Ends it from our side, at once; `ended` is not called. */
  close(): void {
    this.#retire();
    this.#socket.close(1000);
  }

  #opened(): void {
    this.#wasOpen = true;
    if (this.#authentication === null) return;
    const { id, token } = this.#authentication;
    this.send(writeFrame("chat.auth", { token }, id));
  }

  #receive(data: unknown): void {
    if (this.#over || typeof data !== "string") return;
    const frame = parseFrame(data);
    if (frame === null) return;
    this.#listen();
    if (frame.event === "error" && frame.id !== undefined && frame.id === this.#authentication?.id) {
      const failure = Failure.fromFrame(frame.data);
      return this.#giveUp(failure.code === "token_expired" ? TOKEN_EXPIRED : BAD_TOKEN, failure.message);
    }
    switch (frame.event) {
      case "chat.welcome":
        this.#events.welcomed(frame.data as unknown as Welcome);
        return;
      case "chat.goodbye":
        this.#goodbye = frame.data as unknown as Goodbye;
        return;
      default:
        this.#events.frame(frame);
    }
  }

  /** Asks the server whether it is there; without any frame in answer, in time, the connection is given up. */
  probe(): void {
    if (this.#over) return;
    this.#clock.cancel(this.#watch);
    this.#watch = this.#clock.after(this.#limits.pongMsMax, () => this.#giveUp(SILENT, "no answer to a ping"));
    this.#socket.send(writeFrame("chat.ping", {}, freshId()));
  }

  /** Anything heard is a sign of life; after a long silence the server is asked for one. */
  #listen(): void {
    this.#clock.cancel(this.#watch);
    this.#watch = this.#clock.after(this.#limits.silenceMsMax, () => this.probe());
  }

  #giveUp(code: number, reason: string): void {
    // A socket on a dead network may take minutes to say `close`: nobody waits for that.
    this.#end({ code, reason });
    this.#socket.close(code);
  }

  #end(ending: Ending): void {
    if (this.#over) return;
    this.#retire();
    const after = this.#goodbye?.reconnectAfterMs;
    this.#events.ended(after === undefined ? ending : { ...ending, reconnectAfterMs: after }, this.#wasOpen);
  }

  #retire(): void {
    this.#over = true;
    this.#clock.cancel(this.#watch);
  }
}
