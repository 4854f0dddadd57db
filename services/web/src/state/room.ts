/** One room that is attached: its timeline, who is there, what is on its way. */

import {
  Failure,
  type Client,
  type Detached,
  type EventFrame,
  type Joined,
  type MemberState,
  type MessageId,
  type Outgoing,
  type RoomId,
  type RoomState as Room,
  type User,
} from "@klatch/client";
import { without, withEcho, withOutgoing, type Pending } from "./pending.js";
import * as roster from "./roster.js";
import type { Roster } from "./roster.js";
import { Store } from "./store.js";
import * as timeline from "./timeline.js";
import type { Timeline } from "./timeline.js";

export interface RoomState {
  readonly phase: { is: "joining" } | { is: "ready" } | { is: "gone"; reason: Detached["reason"] };
  /** `null` until the first join. */
  readonly room: Room | null;
  readonly member: MemberState | null;
  readonly timeline: Timeline;
  /** False while the server can't say yet what was before. */
  readonly historyReady: boolean;
  readonly loadingOlder: boolean;
  readonly pending: Pending;
  readonly roster: Roster;
}

const PAGE_ITEMS = 50;
/** How long the server is left alone that has no history yet, or refused a page. */
const HISTORY_RETRY_MS = 2_000;
/** While somebody types the room is told so again and again, this far apart; the server passes on one a second. */
const TYPING_REPEAT_MS = 3_000;

export class RoomModel {
  readonly roomId: RoomId;
  readonly state: Store<RoomState>;
  /** What was begun to be written, and is there again when the room is opened again. */
  draft = "";
  readonly #client: Client;
  readonly #self: User;
  #typing: { since: number; stop: ReturnType<typeof setTimeout> } | null = null;

  constructor(client: Client, roomId: RoomId, self: User) {
    this.#client = client;
    this.roomId = roomId;
    this.#self = self;
    this.state = new Store<RoomState>({
      phase: { is: "joining" },
      room: null,
      member: null,
      timeline: timeline.emptyTimeline,
      historyReady: true,
      loadingOlder: false,
      pending: [],
      roster: roster.emptyRoster,
    });
  }

  /** Attached, for the first time or with what was missed unknown: the newest page is all there is to show. */
  joined(joined: Joined): void {
    this.#attached(joined);
    const historyReady = joined.historyReady ?? true;
    this.state.patch({ timeline: timeline.fromPage(joined), historyReady });
    if (!historyReady) void this.#awaitHistory();
  }

  /** Attached again, everything missed having come as frames. */
  resumed(joined: Joined): void {
    this.#attached(joined);
  }

  detached(reason: Detached["reason"]): void {
    this.state.patch({ phase: { is: "gone", reason } });
  }

  frame(frame: EventFrame): void {
    const { state } = this;
    const now = Date.now();
    const people = roster.withFrame(state.value.roster, frame, this.#self.userId, now);
    state.patch({ timeline: timeline.withFrame(state.value.timeline, frame), roster: people });
    if (frame.event === "chat.typing") setTimeout(() => this.#expireTyping(), roster.TYPING_MS + 50);
    if (frame.event === "chat.memberChanged" && people.members !== null) void this.loadMembers();
    if (frame.event === "chat.message" && frame.data.userId === this.#self.userId) {
      state.patch({ pending: withEcho(state.value.pending, frame.data) });
    }
    if (frame.event === "chat.roomUpdated" && state.value.room !== null) {
      const { name, settings, archived } = frame.data;
      state.patch({ room: { ...state.value.room, name, settings, archived } });
    }
  }

  outgoing(outgoing: Outgoing): void {
    const { state } = this;
    state.patch({ pending: withOutgoing(state.value.pending, outgoing) });
    if (outgoing.state.is !== "sent") return;
    state.patch({ timeline: timeline.withSent(state.value.timeline, outgoing, outgoing.state.ack, this.#self) });
  }

  send(message: string): void {
    this.typed(false);
    this.#client.send(this.roomId, { message });
  }

  retry(id: string): void {
    this.#client.retrySend(id);
  }

  discard(id: string): void {
    this.#client.discardSend(id);
    this.state.patch({ pending: without(this.state.value.pending, id) });
  }

  /** @throws {Failure} */
  async edit(messageId: MessageId, message: string): Promise<void> {
    const item = timeline.find(this.state.value.timeline, messageId);
    if (item === undefined || item.data.message === message) return;
    await this.#client.request("chat.edit", { roomId: this.roomId, messageId, seq: item.seq, message });
  }

  /** @throws {Failure} */
  async remove(messageId: MessageId): Promise<void> {
    const item = timeline.find(this.state.value.timeline, messageId);
    if (item === undefined) return;
    await this.#client.request("chat.delete", { roomId: this.roomId, messageId, seq: item.seq });
  }

  /** The person types, or has stopped: the room is told, but not with every key. */
  typed(isTyping: boolean): void {
    const before = this.#typing;
    if (before !== null) clearTimeout(before.stop);
    const now = Date.now();
    const isNews = isTyping !== (before !== null) || (before !== null && now - before.since >= TYPING_REPEAT_MS);
    const stop = (): void => this.typed(false);
    this.#typing = isTyping
      ? { since: isNews ? now : (before?.since ?? now), stop: setTimeout(stop, TYPING_REPEAT_MS) }
      : null;
    if (isNews) this.#client.typing(this.roomId, isTyping);
  }

  /** The page before the oldest item, put in front. */
  async loadOlder(): Promise<void> {
    const { timeline: shown, loadingOlder, phase } = this.state.value;
    const oldest = shown.items[0];
    if (!shown.more || loadingOlder || oldest === undefined || phase.is !== "ready") return;
    this.state.patch({ loadingOlder: true });
    try {
      await this.#load({ before: oldest.seq });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // Still at the top then: asking again at once would be a loop.
      await pause(HISTORY_RETRY_MS);
    } finally {
      this.state.patch({ loadingOlder: false });
    }
  }

  async loadMembers(): Promise<void> {
    try {
      const { members } = await this.#client.request("chat.members", { roomId: this.roomId, limit: 200 });
      this.state.patch({ roster: { ...this.state.value.roster, members } });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // Who is here is known without; the list comes with the next change or the next look.
    }
  }

  #attached({ room, member, users, userCount }: Joined): void {
    const people = roster.withHere(this.state.value.roster, users, userCount);
    this.state.patch({ phase: { is: "ready" }, room, member, roster: { ...people, typing: [] } });
    if (people.members !== null) void this.loadMembers();
  }

  async #awaitHistory(): Promise<void> {
    while (!this.state.value.historyReady && this.state.value.phase.is !== "gone") {
      try {
        await this.#load({});
        this.state.patch({ historyReady: true });
      } catch (error) {
        if (!(error instanceof Failure) || !error.retryable) return;
        await pause(HISTORY_RETRY_MS);
      }
    }
  }

  async #load(where: { before?: number }): Promise<void> {
    const page = await this.#client.request("chat.history", { roomId: this.roomId, limit: PAGE_ITEMS, ...where });
    this.state.patch({ timeline: timeline.withPage(this.state.value.timeline, page) });
  }

  #expireTyping(): void {
    const people = roster.expired(this.state.value.roster, Date.now());
    if (people !== this.state.value.roster) this.state.patch({ roster: people });
  }
}

/** What a person of this room is called, as far as anything here says so. */
export function nameIn({ roster: { here, members }, timeline: { items } }: RoomState, userId: string): string {
  const known = [...here, ...(members ?? [])].find((person) => person.userId === userId);
  if (known !== undefined && known.username !== "") return known.username;
  const said = items.findLast((item) => item.kind === "said" && item.data.userId === userId);
  return said?.kind === "said" ? said.data.username : userId;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
