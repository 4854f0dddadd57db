/**
 * Messages on their way. Each keeps its id through every retry, so it is stored once however often it was sent; and
 * each room has one message in flight, so that none overtakes another, not even where the first had to be sent again.
 */

import { fullJitter, type Retry } from "./backoff.js";
import type { Clock } from "./clock.js";
import { Failure } from "./failure.js";
import type { Draft, SentAck } from "./frames.js";
import type { Limits } from "./limits.js";
import type { RoomId } from "./types.js";

/** A message that was handed over to be sent. */
export interface Outgoing {
  /** The client's id; the same for every attempt. */
  readonly id: string;
  readonly roomId: RoomId;
  readonly draft: Readonly<Draft>;
  /** Milliseconds, by the client's clock. */
  readonly submittedAt: number;
  readonly state:
    | { is: "pending" }
    | { is: "sent"; ack: SentAck }
    /** Given up on; {@link Outbox.retry} sends it again under the same id. */
    | { is: "failed"; failure: Failure };
}

/** Sends a message once and waits for the answer. */
export type SendOnce = (outgoing: Outgoing) => Promise<SentAck>;

export class Outbox {
  readonly #sendOnce: SendOnce;
  readonly #changed: (outgoing: Outgoing) => void;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #random: () => number;
  readonly #queues = new Map<RoomId, Outgoing[]>();
  readonly #failed = new Map<string, Outgoing>();
  #size = 0;
  #closed = false;

  constructor(
    sendOnce: SendOnce,
    changed: (outgoing: Outgoing) => void,
    clock: Clock,
    limits: Limits,
    random: () => number,
  ) {
    this.#sendOnce = sendOnce;
    this.#changed = changed;
    this.#clock = clock;
    this.#limits = limits;
    this.#random = random;
  }

  /**
   * Takes a message to be sent, after those of its room that were taken before. What becomes of it is told to
   * `changed`: pending at once, then sent or failed.
   *
   * @throws {Failure} `too_many_pending`, and nothing was taken.
   */
  submit(id: string, roomId: RoomId, draft: Draft): Outgoing {
    if (this.#size >= this.#limits.sendsMax) {
      throw Failure.local("too_many_pending", `${this.#size} messages wait to be sent already.`);
    }
    const outgoing: Outgoing = { id, roomId, draft, submittedAt: this.#clock.now(), state: { is: "pending" } };
    this.#enqueue(outgoing);
    return outgoing;
  }

  /** Sends a failed message again, under the id that it had. */
  retry(id: string): void {
    const outgoing = this.#failed.get(id);
    if (outgoing === undefined) return;
    this.#failed.delete(id);
    this.#enqueue({ ...outgoing, submittedAt: this.#clock.now(), state: { is: "pending" } });
  }

  /** Forgets a failed message. */
  discard(id: string): void {
    this.#failed.delete(id);
  }

  close(): void {
    this.#closed = true;
  }

  #enqueue(outgoing: Outgoing): void {
    this.#size += 1;
    const queue = this.#queues.get(outgoing.roomId);
    this.#changed(outgoing);
    if (queue !== undefined) {
      queue.push(outgoing);
      return;
    }
    this.#queues.set(outgoing.roomId, [outgoing]);
    void this.#run(outgoing.roomId);
  }

  async #run(roomId: RoomId): Promise<void> {
    const queue = this.#queues.get(roomId) ?? [];
    for (let head = queue[0]; head !== undefined; head = queue[0]) {
      const settled: Outgoing = { ...head, state: await this.#settle(head) };
      queue.shift();
      this.#size -= 1;
      if (settled.state.is === "failed") this.#remember(settled);
      this.#changed(settled);
    }
    this.#queues.delete(roomId);
  }

  /** Tries until there is an answer that more tries would not change, or the time is up. */
  async #settle(outgoing: Outgoing): Promise<Outgoing["state"]> {
    const retry: Retry = { minMs: this.#limits.reconnectMsMin, maxMs: this.#limits.reconnectMsMax };
    const until = outgoing.submittedAt + this.#limits.sendMsMax;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return { is: "sent", ack: await this.#sendOnce(outgoing) };
      } catch (error) {
        const failure = error instanceof Failure ? error : Failure.local("closed", String(error));
        const delayMs = (failure.retryAfterMs ?? 0) + fullJitter(attempt, retry, this.#random());
        if (this.#closed || !failure.retryable || this.#clock.now() + delayMs >= until) {
          return { is: "failed", failure };
        }
        await new Promise<void>((resolve) => this.#clock.after(delayMs, resolve));
      }
    }
  }

  #remember(failed: Outgoing): void {
    this.#failed.set(failed.id, failed);
    if (this.#failed.size <= this.#limits.sendsMax) return;
    for (const oldest of this.#failed.keys()) {
      this.#failed.delete(oldest);
      break;
    }
  }
}
