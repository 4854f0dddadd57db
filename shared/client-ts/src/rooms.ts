/**
 * The rooms that are to be attached: joined on every connection anew, each from its own position, until they are
 * left or the server says no for good.
 */

import { AttachedRoom } from "./attached.js";
import { fullJitter, type Retry } from "./backoff.js";
import type { Clock, Timer } from "./clock.js";
import { Failure } from "./failure.js";
import { isChained, writeFrame, type EventFrame } from "./frames.js";
import { freshId } from "./ids.js";
import type { Limits } from "./limits.js";
import type { Joined, Position, RoomId, UserId } from "./types.js";

/** Why a room is attached no more, and will not be by itself. */
export interface Detached {
  roomId: RoomId;
  /** What the server answered, or what happened to us there: `kicked`, `banned`, `exited`. */
  reason: Failure | "kicked" | "banned" | "exited";
}

/** What the rooms have to say. */
export interface RoomEvents {
  /** Attached for the first time; `events` is the newest page. */
  joined(joined: Joined): void;
  /** Attached again, and everything missed was delivered just before this. */
  resumed(joined: Joined): void;
  /** Attached again, but what was missed is not known: `events` is the newest page, to replace what is shown. */
  reset(joined: Joined): void;
  detached(detached: Detached): void;
  /** A frame, each of a timeline once and in order. */
  frame(frame: EventFrame): void;
}

interface Wanted {
  room: AttachedRoom;
  limit: number | undefined;
  /** The join that is under way, its attempt counted from 0. */
  request: { id: string; attempt: number } | null;
  retry: Timer | null;
  settle: { resolve: (joined: Joined) => void; reject: (failure: Failure) => void }[];
}

export class Rooms {
  readonly #events: RoomEvents;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #random: () => number;
  readonly #wanted = new Map<RoomId, Wanted>();
  #link: { send: (frame: string) => void; self: UserId; retry: Retry } | null = null;

  constructor(events: RoomEvents, clock: Clock, limits: Limits, random: () => number) {
    this.#events = events;
    this.#clock = clock;
    this.#limits = limits;
    this.#random = random;
  }

  /**
   * Wants a room, from now until it is left. The promise is kept once it is attached for the first time, and broken
   * only where the server refuses for good or the client is closed.
   */
  join(roomId: RoomId, since: Position | null = null, limit?: number): Promise<Joined> {
    let wanted = this.#wanted.get(roomId);
    if (wanted === undefined) {
      const room = new AttachedRoom(roomId, since, this.#limits);
      wanted = { room, limit, request: null, retry: null, settle: [] };
      this.#wanted.set(roomId, wanted);
    }
    const { settle } = wanted;
    const promise = new Promise<Joined>((resolve, reject) => settle.push({ resolve, reject }));
    if (wanted.request === null) this.#request(wanted, 0);
    return promise;
  }

  /** Wants it no more. */
  leave(roomId: RoomId): void {
    const wanted = this.#wanted.get(roomId);
    if (wanted === undefined) return;
    this.#drop(wanted, Failure.local("closed", "The room was left."));
    this.#link?.send(writeFrame("chat.leave", { roomId }));
  }

  /** Up to where a room's events were delivered; `null` where it is not attached. */
  position(roomId: RoomId): Position | null {
    return this.#wanted.get(roomId)?.room.position ?? null;
  }

  /** A connection is there: everything wanted is joined on it, each from its position. */
  connected(send: (frame: string) => void, self: UserId, retry: Retry): void {
    this.#link = { send, self, retry };
    for (const wanted of this.#wanted.values()) this.#request(wanted, 0);
  }

  disconnected(): void {
    this.#link = null;
    for (const wanted of this.#wanted.values()) this.#calm(wanted);
  }

  /** Takes an `error` frame; false where it answers no join. */
  failed(id: string, failure: Failure): boolean {
    for (const wanted of this.#wanted.values()) {
      if (wanted.request?.id !== id) continue;
      if (failure.retryable) this.#again(wanted, failure.retryAfterMs);
      else {
        this.#drop(wanted, failure);
        this.#events.detached({ roomId: wanted.room.roomId, reason: failure });
      }
      return true;
    }
    return false;
  }

  /** Takes a `chat.joined`. */
  joined(joined: Joined): void {
    const wanted = this.#wanted.get(joined.roomId);
    if (wanted === undefined) return;
    this.#calm(wanted);
    const { how, missed, gap } = wanted.room.joined(joined);
    if (how === "resumed") for (const frame of missed) this.#events.frame(frame);
    this.#events[how === "fresh" ? "joined" : how](joined);
    if (how !== "resumed") for (const frame of missed) this.#events.frame(frame);
    for (const { resolve } of wanted.settle.splice(0)) resolve(joined);
    if (gap) this.#request(wanted, 0);
  }

  /** Takes any other frame of the server's. */
  frame(frame: EventFrame): void {
    const wanted = this.#wanted.get(frame.data.roomId);
    if (isChained(frame) && wanted !== undefined) {
      const verdict = wanted.room.admit(frame);
      if (verdict === "gap") this.#request(wanted, 0);
      if (verdict !== "deliver") return;
    }
    this.#events.frame(frame);
    if (wanted !== undefined) this.#notice(wanted, frame);
  }

  close(): void {
    const closed = Failure.local("closed", "The client was closed.");
    for (const wanted of [...this.#wanted.values()]) this.#drop(wanted, closed);
    this.#link = null;
  }

  /** Our own removal is the last thing that we hear of a room. Only live: what is replayed may be long past. */
  #notice(wanted: Wanted, frame: EventFrame): void {
    if (frame.event !== "chat.memberChanged") return;
    const { userId, change } = frame.data;
    if (userId !== this.#link?.self) return;
    if (change !== "kicked" && change !== "banned" && change !== "exited") return;
    this.#drop(wanted, Failure.local("closed", `No longer in the room: ${change}.`));
    this.#events.detached({ roomId: wanted.room.roomId, reason: change });
  }

  #request(wanted: Wanted, attempt: number): void {
    this.#calm(wanted);
    const link = this.#link;
    if (link === null) return;
    const { room, limit } = wanted;
    const since = room.position;
    const id = freshId();
    wanted.request = { id, attempt };
    wanted.retry = this.#clock.after(this.#limits.requestMsMax, () => this.#again(wanted, undefined));
    room.joining();
    const data = { roomId: room.roomId, ...(since && { since }), ...(limit !== undefined && { limit }) };
    link.send(writeFrame("chat.join", data, id));
  }

  #again(wanted: Wanted, afterMs: number | undefined): void {
    const attempt = (wanted.request?.attempt ?? 0) + 1;
    this.#calm(wanted);
    const retry = this.#link?.retry;
    if (retry === undefined) return;
    const delayMs = (afterMs ?? 0) + fullJitter(attempt, retry, this.#random());
    wanted.request = { id: "", attempt };
    wanted.retry = this.#clock.after(delayMs, () => this.#request(wanted, attempt));
  }

  #calm(wanted: Wanted): void {
    if (wanted.retry !== null) this.#clock.cancel(wanted.retry);
    wanted.retry = null;
    wanted.request = null;
  }

  #drop(wanted: Wanted, failure: Failure): void {
    this.#calm(wanted);
    this.#wanted.delete(wanted.room.roomId);
    for (const { reject } of wanted.settle) reject(failure);
  }
}
