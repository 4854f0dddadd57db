/**
 * The client: one connection at a time, kept up for as long as it is wanted; rooms that stay attached through
 * reconnects; messages that are sent once.
 */

import { fullJitter, type Retry } from "./backoff.js";
import { systemClock, type Clock, type Timer } from "./clock.js";
import { adviceFor, type Ending } from "./closing.js";
import { Connection, type OpenSocket, type Socket } from "./connection.js";
import { Emitter, type Off } from "./emitter.js";
import { Failure } from "./failure.js";
import {
  writeFrame,
  type Ack,
  type Draft,
  type EventFrame,
  type EventName,
  type FrameOf,
  type RawFrame,
  type RequestData,
  type RequestName,
  type SentAck,
} from "./frames.js";
import { freshId } from "./ids.js";
import { defaultLimits, type Limits } from "./limits.js";
import { Outbox, type Outgoing } from "./outbox.js";
import { Requests } from "./requests.js";
import { Rooms, type Detached } from "./rooms.js";
import { endOf, subprotocols, type TokenPath, type TokenSource } from "./token.js";
import type { Joined, Position, RoomId, User, Welcome } from "./types.js";

export interface ClientOptions {
  /** Where the edge is: `wss://chat.example/chat/ws`. */
  url: string;
  token: string | TokenSource;
  /** Another WebSocket than the platform's. */
  openSocket?: OpenSocket;
  limits?: Partial<Limits>;
  clock?: Clock;
  /** In [0, 1); for the jitter. */
  random?: () => number;
}

/** Where the connection stands. */
export type ConnectionState =
  | { is: "idle" }
  | { is: "connecting"; attempt: number }
  | { is: "online"; user: User; sessionId: string }
  /** Lost; the next attempt is made at `at` (by the client's clock). */
  | { is: "waiting"; attempt: number; at: number; ending: Ending }
  /** It will not come back by itself. */
  | { is: "stopped"; ending: Ending | null };

/** Frames of the server's, by name. */
type FrameEvents = { [Name in EventName]: FrameOf<Name> };

/** Everything that can be listened for. */
export interface ClientEvents extends FrameEvents {
  state: ConnectionState;
  welcome: Welcome;
  /** A room is attached for the first time. */
  joined: Joined;
  /** A room is attached again, and all that was missed has been delivered. */
  resumed: Joined;
  /** A room is attached again, but what was missed is not known: show the newest page, `events`, instead. */
  reset: Joined;
  detached: Detached;
  /** A message changed: pending, sent or failed. */
  outgoing: Outgoing;
  /** An error that answers nothing that was asked with an id. */
  error: Failure;
}

export class Client {
  readonly #options: ClientOptions;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #random: () => number;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #requests: Requests;
  readonly #rooms: Rooms;
  readonly #outbox: Outbox;
  #state: ConnectionState = { is: "idle" };
  #connection: Connection | null = null;
  #retry: Retry;
  #timer: Timer | null = null;
  #renewal: Timer | null = null;
  #token = "";
  /** A token that was refused, and how: the same again is not worth a try. */
  #refused: { token: string; ending: Ending } | null = null;
  #path: TokenPath = "subprotocol";
  /** Attempts since the last connection that held. */
  #attempt = 0;
  #onlineSince: number | null = null;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#random = options.random ?? Math.random;
    this.#retry = { minMs: this.#limits.reconnectMsMin, maxMs: this.#limits.reconnectMsMax };
    this.#requests = new Requests(this.#clock, this.#limits);
    this.#rooms = new Rooms(
      {
        joined: (joined) => this.#emitter.emit("joined", joined),
        resumed: (joined) => this.#emitter.emit("resumed", joined),
        reset: (joined) => this.#emitter.emit("reset", joined),
        detached: (detached) => this.#emitter.emit("detached", detached),
        frame: (frame) => this.#emitter.emit(frame.event, frame as never),
      },
      this.#clock,
      this.#limits,
      this.#random,
    );
    this.#outbox = new Outbox(
      ({ id, roomId, draft }) => this.#requests.ask("chat.message", { roomId, ...draft }, id) as Promise<SentAck>,
      (outgoing) => this.#emitter.emit("outgoing", outgoing),
      this.#clock,
      this.#limits,
      this.#random,
    );
  }

  /** Listens; the function returned stops that. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): Off {
    return this.#emitter.on(name, listener);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Starts connecting, and keeps at it. */
  connect(): void {
    if (this.#state.is === "idle" || this.#state.is === "stopped") this.#open();
  }

  /** The network is said to be back, or the user is: no waiting for the next attempt, or for a sign of life. */
  wake(): void {
    if (this.#state.is === "waiting") this.#open();
    if (this.#state.is === "online") this.#connection?.probe();
  }

  /** Ends everything: what waits for an answer fails with `closed`. It can't be opened again. */
  close(): void {
    this.#stopTimers();
    this.#connection?.close();
    this.#connection = null;
    this.#outbox.close();
    this.#requests.close();
    this.#rooms.close();
    this.#become({ is: "stopped", ending: null });
  }

  /**
   * Attaches to a room, through every reconnect, until {@link leave}. With `since`, from that position on, if the
   * server still can; whether it could is told by `resumed` or `reset`.
   */
  join(roomId: RoomId, options: { since?: Position; limit?: number } = {}): Promise<Joined> {
    return this.#rooms.join(roomId, options.since ?? null, options.limit);
  }

  /** Detaches from a room; one stays its member. */
  leave(roomId: RoomId): void {
    this.#rooms.leave(roomId);
  }

  /** Up to where a room's events were delivered: what a later `since` wants. */
  position(roomId: RoomId): Position | null {
    return this.#rooms.position(roomId);
  }

  /** Hands a message over to be sent, in order, once. `outgoing` events tell what becomes of it. */
  send(roomId: RoomId, draft: Draft): Outgoing {
    return this.#outbox.submit(freshId(), roomId, draft);
  }

  /** Sends a failed message again, under the same id. */
  retrySend(id: string): void {
    this.#outbox.retry(id);
  }

  /** Forgets a failed message. */
  discardSend(id: string): void {
    this.#outbox.discard(id);
  }

  /**
   * Asks for anything else and waits for the acknowledgement, through reconnects.
   *
   * @throws {Failure}
   */
  request<Name extends RequestName>(event: Name, data: RequestData<Name>): Promise<Ack<Name>> {
    return this.#requests.ask(event, data, freshId());
  }

  /** Tells the room that one types, or has stopped. Only now or never: nothing is kept for later. */
  typing(roomId: RoomId, isTyping: boolean): void {
    if (this.#state.is === "online") this.#connection?.send(writeFrame("chat.typing", { roomId, isTyping }));
  }

  #open(): void {
    this.#stopTimers();
    this.#become({ is: "connecting", attempt: this.#attempt });
    const source = this.#options.token;
    Promise.resolve(typeof source === "string" ? source : source()).then(
      (token) => this.#openWith(token),
      (error: unknown) => this.#ended({ code: 1006, reason: `no token: ${String(error)}` }, true),
    );
  }

  #openWith(token: string): void {
    if (this.#state.is !== "connecting") return;
    if (token === this.#refused?.token) return this.#stop(this.#refused.ending);
    this.#token = token;
    let socket: Socket;
    try {
      socket = (this.#options.openSocket ?? openPlatformSocket)(this.#options.url, subprotocols(token, this.#path));
    } catch (error) {
      // A URL or a token that a WebSocket can't even be made of: no later attempt would differ.
      this.#stop({ code: 1008, reason: String(error) });
      return;
    }
    this.#connection = new Connection(
      socket,
      this.#path === "frame" ? token : null,
      {
        welcomed: (welcome) => this.#welcomed(welcome),
        frame: (frame) => this.#receive(frame),
        ended: (ending, wasOpen) => this.#ended(ending, wasOpen),
      },
      this.#clock,
      this.#limits,
    );
  }

  #welcomed(welcome: Welcome): void {
    this.#onlineSince = this.#clock.now();
    this.#retry = welcome.retry ?? this.#retry;
    const send = (frame: string): void => this.#connection?.send(frame);
    this.#become({ is: "online", user: welcome.user, sessionId: welcome.sessionId });
    this.#emitter.emit("welcome", welcome);
    // Rooms first: what is asked again right after may need to be attached.
    this.#rooms.connected(send, welcome.user.userId, this.#retry);
    this.#requests.connected(send, welcome.limits?.frameBytesMax);
    this.#planRenewal();
  }

  #receive(frame: RawFrame): void {
    switch (frame.event) {
      case "ack":
        this.#requests.answer(frame);
        return;
      case "error":
        this.#fail(frame);
        return;
      case "chat.joined":
        this.#rooms.joined(frame.data as unknown as Joined);
        return;
      default:
        this.#rooms.frame(frame as unknown as EventFrame);
    }
  }

  #fail(frame: RawFrame): void {
    const failure = Failure.fromFrame(frame.data);
    if (this.#requests.answer(frame)) return;
    if (frame.id !== undefined && this.#rooms.failed(frame.id, failure)) return;
    this.#emitter.emit("error", failure);
  }

  #ended(ending: Ending, wasOpen: boolean): void {
    this.#connection = null;
    // Down, or refusing the token? The next attempt finds out, by the path where a refusal has a reason.
    this.#path = wasOpen || this.#path === "frame" ? "subprotocol" : "frame";
    this.#stopTimers();
    this.#requests.disconnected();
    this.#rooms.disconnected();
    const advice = adviceFor(ending.code);
    if (advice === "stayAway") return this.#stop(ending);
    if (advice === "renewToken") this.#refused = { token: this.#token, ending };
    const onlineMs = this.#onlineSince === null ? 0 : this.#clock.now() - this.#onlineSince;
    this.#onlineSince = null;
    if (onlineMs >= this.#limits.steadyMsMin) this.#attempt = 0;
    const after = ending.reconnectAfterMs ?? 0;
    const delayMs = after + fullJitter(this.#attempt, this.#retry, this.#random());
    this.#attempt += 1;
    this.#become({ is: "waiting", attempt: this.#attempt, at: this.#clock.now() + delayMs, ending });
    this.#timer = this.#clock.after(delayMs, () => this.#open());
  }

  #stop(ending: Ending): void {
    this.#stopTimers();
    this.#become({ is: "stopped", ending });
  }

  /** A token that ends is replaced on the open connection, where the source has a newer one. */
  #planRenewal(): void {
    const end = endOf(this.#token);
    const source = this.#options.token;
    if (end === null || typeof source === "string") return;
    // A timer's delay is 32 bits of milliseconds at most: 24 days.
    const delayMs = Math.min(Math.max(end - Date.now() - this.#limits.renewBeforeMs, 0), 2 ** 31 - 1);
    this.#renewal = this.#clock.after(delayMs, () => void this.#renew(source));
  }

  async #renew(source: TokenSource): Promise<void> {
    try {
      const token = await source();
      if (token === this.#token || this.#state.is !== "online") return;
      await this.request("chat.auth", { token });
      this.#token = token;
      this.#planRenewal();
    } catch {
      // The server will close the connection when the token ends; the next attempt asks for a token again.
    }
  }

  #stopTimers(): void {
    if (this.#timer !== null) this.#clock.cancel(this.#timer);
    if (this.#renewal !== null) this.#clock.cancel(this.#renewal);
    this.#timer = null;
    this.#renewal = null;
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    this.#emitter.emit("state", state);
  }
}

function openPlatformSocket(url: string, protocols: string[]): Socket {
  return new WebSocket(url, protocols) as unknown as Socket;
}
