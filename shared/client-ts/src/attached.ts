/**
 * One room's place in its timeline: what was delivered, what comes next. Everything that decides whether a frame is
 * new, a repeat or the far side of a gap is here, and nothing else.
 */

import type { ChainedFrame } from "./frames.js";
import type { Limits } from "./limits.js";
import { Recent } from "./recent.js";
import type { Joined, MessageId, Position, RoomId } from "./types.js";

/** What is to be done with a frame that came. */
export type Verdict = "deliver" | "drop" | "gap";

/** What a `chat.joined` means for who was there before. */
export interface CatchUp {
  /**
   * `fresh`: attached for the first time, `joined.events` is the newest page. `resumed`: `missed` is all that
   * happened since. `reset`: nobody knows what happened since; the newest page replaces what was shown.
   */
  how: "fresh" | "resumed" | "reset";
  /** To be delivered in this order. */
  missed: ChainedFrame[];
  /** There is still a gap behind `missed`: join again. */
  gap: boolean;
}

export class AttachedRoom {
  readonly roomId: RoomId;
  readonly #limits: Limits;
  readonly #seen: Recent<MessageId>;
  #position: Position | null;
  /** What came while the answer to a join was awaited; `null` once it is there. */
  #held: ChainedFrame[] | null = [];

  constructor(roomId: RoomId, since: Position | null, limits: Limits) {
    this.roomId = roomId;
    this.#position = since;
    this.#limits = limits;
    this.#seen = new Recent(limits.messageIdsMax);
  }

  /** Up to where everything was delivered; `null` before the first `chat.joined`. */
  get position(): Position | null {
    return this.#position;
  }

  /** Frames are held back from here on, until `chat.joined` says where they belong. */
  joining(): void {
    this.#held = [];
  }

  joined(joined: Joined): CatchUp {
    const before = this.#position;
    const how = before === null ? "fresh" : joined.recovered === true ? "resumed" : "reset";
    const held = this.#held ?? [];
    this.#held = null;
    const missed: ChainedFrame[] = [];
    if (how === "resumed") {
      for (const frame of joined.events as ChainedFrame[]) {
        if (frame.seq > (before?.seq ?? 0) && this.#isNew(frame)) missed.push(frame);
      }
    } else {
      for (const item of joined.events) {
        if (item.event === "chat.message") this.#seen.add(item.data.messageId);
      }
    }
    this.#position = { epoch: joined.epoch, seq: joined.seq };
    for (const frame of held) {
      const verdict = this.admit(frame);
      if (verdict === "gap") return { how, missed, gap: true };
      if (verdict === "deliver") missed.push(frame);
    }
    return { how, missed, gap: false };
  }

  /**
   * Judges a frame of the timeline, and takes it as delivered where the verdict is so. `prev` names the timeline
   * event before it: one that lies after our position is one that we never got.
   */
  admit(frame: ChainedFrame): Verdict {
    if (this.#held !== null) {
      // Too many to hold: the oldest go, which the next admitted frame will show as a gap.
      if (this.#held.length >= this.#limits.heldFramesMax) this.#held.shift();
      this.#held.push(frame);
      return "drop";
    }
    const position = this.#position;
    if (position === null || frame.seq <= position.seq) return "drop";
    if (frame.prev > position.seq) return "gap";
    this.#position = { epoch: position.epoch, seq: frame.seq };
    return this.#isNew(frame) ? "deliver" : "drop";
  }

  /** A message sent again past the log's own memory of ids is stored twice, under one `messageId`. */
  #isNew(frame: ChainedFrame): boolean {
    return frame.event !== "chat.message" || this.#seen.add(frame.data.messageId);
  }
}
