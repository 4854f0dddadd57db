/**
 * Commands that wait for their answer. What has none when a connection ends is asked again on the next one, under
 * the same id and in the same order: every command of the protocol may be repeated so.
 */

import type { Clock, Timer } from "./clock.js";
import { Failure } from "./failure.js";
import { writeFrame, type Ack, type RawFrame, type RequestData, type RequestName } from "./frames.js";
import type { Limits } from "./limits.js";

interface Waiting {
  frame: string;
  settle: (answer: Record<string, unknown> | Failure) => void;
}

export class Requests {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #waiting = new Map<string, Waiting>();
  #frameBytesMax = Number.POSITIVE_INFINITY;
  #send: ((frame: string) => void) | null = null;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A connection is there: everything unanswered goes out on it, oldest first. */
  connected(send: (frame: string) => void, frameBytesMax: number | undefined): void {
    this.#send = send;
    this.#frameBytesMax = frameBytesMax ?? Number.POSITIVE_INFINITY;
    for (const { frame } of this.#waiting.values()) send(frame);
  }

  /** The connection is gone. */
  disconnected(): void {
    this.#send = null;
  }

  /**
   * Sends a command, now or once there is a connection, and waits for its answer.
   *
   * @throws {Failure} the server's refusal; `timeout` where neither came in time.
   */
  ask<Name extends RequestName>(
    event: Name,
    data: RequestData<Name>,
    id: string,
    timeoutMs: number = this.#limits.requestMsMax,
  ): Promise<Ack<Name>> {
    const frame = writeFrame(event, data, id);
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(frame);
      if (refusal !== null) return reject(refusal);
      const timer: Timer = this.#clock.after(timeoutMs, () =>
        settle(Failure.local("timeout", `${event}: no answer within ${timeoutMs} ms`)),
      );
      const settle: Waiting["settle"] = (answer) => {
        this.#clock.cancel(timer);
        this.#waiting.delete(id);
        if (answer instanceof Failure) reject(answer);
        else resolve(answer as unknown as Ack<Name>);
      };
      this.#waiting.set(id, { frame, settle });
      this.#send?.(frame);
    });
  }

  /** Takes an `ack` or `error` frame; false where it answers nothing that was asked here. */
  answer({ event, id, data }: RawFrame): boolean {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (waiting === undefined) return false;
    waiting.settle(event === "ack" ? data : Failure.fromFrame(data));
    return true;
  }

  /** Lets everything that waits fail. */
  close(): void {
    this.#send = null;
    for (const { settle } of [...this.#waiting.values()]) settle(Failure.local("closed", "The client was closed."));
  }

  #refusal(frame: string): Failure | null {
    if (this.#waiting.size >= this.#limits.requestsMax) {
      return Failure.local("too_many_pending", `${this.#waiting.size} requests wait for an answer already.`);
    }
    // UTF-8 takes at most three bytes a UTF-16 unit: only what comes near the limit is measured.
    if (frame.length * 3 > this.#frameBytesMax && new TextEncoder().encode(frame).length > this.#frameBytesMax) {
      return Failure.local("too_large", `The server takes at most ${this.#frameBytesMax} bytes a frame.`);
    }
    return null;
  }
}
