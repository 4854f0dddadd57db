/**
 * The chat as a person has it: a connection, their rooms, the one that is open. What the client tells goes to the
 * room that it is about; what the person does goes to the client.
 */

import {
  Client,
  Failure,
  type ConnectionState,
  type Detached,
  type EventName,
  type FrameOf,
  type Joined,
  type Outgoing,
  type RoomId,
  type RoomSummary,
  type RoomType,
  type User,
  type UserId,
} from "@klatch/client";
import { explain } from "../text/failure.js";
import * as list from "./room_list.js";
import type { RoomList } from "./room_list.js";
import { RoomModel } from "./room.js";
import { Store } from "./store.js";
import { lastSaid } from "./timeline.js";

/** What the page hears of rooms. */
const FRAMES = [
  "chat.message",
  "chat.system",
  "chat.messageEdited",
  "chat.messageDeleted",
  "chat.memberChanged",
  "chat.roomUpdated",
  "chat.userJoined",
  "chat.userLeft",
  "chat.presence",
  "chat.typing",
] as const satisfies readonly EventName[];

/** So many rooms are listed, the latest ones. */
const ROOMS_LISTED_MAX = 500;
const ROOMS_PAGE = 100;
/** So many of them are attached, so that they are live before they are opened. */
const ROOMS_ATTACHED_MAX = 50;
const JOIN_ITEMS = 50;
/** Read marks are sent at most this often. */
const READ_MARK_MS = 500;

/** Looks people up by their names. @throws {Failure} */
export type FindPeople = (query: string, signal: AbortSignal) => Promise<User[]>;

export interface NewRoom {
  type: Exclude<RoomType, "direct">;
  name: string;
  participants: string[];
}

export class Chat {
  readonly client: Client;
  readonly findPeople: FindPeople;
  readonly connection: Store<ConnectionState>;
  /** `null` until the first welcome. */
  readonly self = new Store<User | null>(null);
  readonly list = new Store<RoomList>(null);
  readonly open: Store<RoomId | null>;
  /** A sentence for the person, about something that did not work. */
  readonly notice = new Store<string | null>(null);
  /** The rooms that are attached, or were until something happened. */
  readonly rooms = new Store<ReadonlyMap<RoomId, RoomModel>>(new Map());
  /** Whether the person sees the end of the open room. */
  #looking = true;
  #marking: ReturnType<typeof setTimeout> | null = null;
  #marked = new Map<RoomId, number>();

  readonly #stopFollowing: () => void;

  constructor(client: Client, open: Store<RoomId | null>, findPeople: FindPeople) {
    this.client = client;
    this.findPeople = findPeople;
    this.open = open;
    this.connection = new Store(client.state);
    client.on("state", (state) => this.connection.set(state));
    client.on("welcome", ({ user }) => this.#welcomed(user));
    client.on("joined", (joined) => this.#joined(joined));
    client.on("reset", (joined) => this.#joined(joined));
    client.on("resumed", (joined) => this.#room(joined.roomId)?.resumed(joined));
    client.on("detached", (detached) => this.#detached(detached));
    client.on("outgoing", (outgoing) => this.#outgoing(outgoing));
    client.on("chat.roomCreated", () => void this.refresh());
    for (const event of FRAMES) client.on(event, (frame) => this.#frame(frame));
    this.#stopFollowing = open.subscribe(() => this.#opened());
  }

  /** Ends it, and the connection. */
  close(): void {
    this.#stopFollowing();
    if (this.#marking !== null) clearTimeout(this.#marking);
    this.client.close();
  }

  /** Asks for the rooms again. */
  async refresh(): Promise<void> {
    try {
      const rooms = await this.#latestRooms();
      this.list.update((before) => list.withAnswer(before, rooms, this.#selfId));
      for (const { roomId } of rooms.slice(0, ROOMS_ATTACHED_MAX)) this.attach(roomId);
      this.#mark();
      await this.#meetOthers();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // The list that is shown stays; it is asked for again with the next connection or change.
      if (this.list.value === null) this.list.set([]);
    }
  }

  /** Attaches to a room, and becomes its member where it is open; makes it where it is not there. */
  attach(roomId: RoomId): void {
    const self = this.self.value;
    const known = this.#room(roomId);
    if (self === null || (known !== undefined && known.state.value.phase.is !== "gone")) return;
    const room = new RoomModel(this.client, roomId, self);
    this.rooms.update((rooms) => new Map(rooms).set(roomId, room));
    // Refusals come as `detached` too.
    this.client.join(roomId, { limit: JOIN_ITEMS }).catch(() => {});
  }

  /** @throws {Failure} */
  async create({ type, name, participants }: NewRoom): Promise<RoomId> {
    const { roomId } = await this.client.request("chat.createRoom", {
      type,
      participants,
      name,
    });
    this.attach(roomId);
    void this.refresh();
    return roomId;
  }

  /**
   * Opens the room that oneself and somebody else share: always the same, whoever opens it first.
   *
   * @throws {Failure}
   */
  async writeTo(other: User): Promise<RoomId> {
    const { roomId, seq } = await this.client.request("chat.createRoom", { type: "direct", participants: [other.userId] });
    this.list.update((rooms) => list.withDirect(rooms, roomId, seq, other));
    this.attach(roomId);
    return roomId;
  }

  /** Stops being a member of a room. */
  async exit(roomId: RoomId): Promise<void> {
    await this.attempt(this.client.request("chat.exit", { roomId }));
  }

  /** Waits for something and says so where it fails; true where it did not. */
  async attempt(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      return true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.notice.set(explain(error));
      return false;
    }
  }

  /** The network is back, or the person is: no waiting for timers, and what they see now is read. */
  wake(): void {
    this.client.wake();
    this.#mark();
  }

  /** Whether the person sees the end of the open room, where news appear. */
  looking(isLooking: boolean): void {
    this.#looking = isLooking;
    if (isLooking) this.#mark();
  }

  #room(roomId: RoomId): RoomModel | undefined {
    return this.rooms.value.get(roomId);
  }

  #welcomed(user: User): void {
    this.self.set(user);
    const open = this.open.value;
    if (open !== null) this.attach(open);
    void this.refresh();
  }

  #opened(): void {
    const open = this.open.value;
    if (open === null) return;
    this.#looking = true;
    this.attach(open);
    this.#mark();
  }

  #joined(joined: Joined): void {
    this.#room(joined.roomId)?.joined(joined);
    if (joined.member !== null) this.list.update((rooms) => list.withJoined(rooms, joined));
    for (const person of joined.users) this.#met(joined.roomId, person);
    this.#mark();
  }

  #met(roomId: RoomId, person: User): void {
    this.list.update((rooms) => list.withPerson(rooms, roomId, person, this.#selfId));
  }

  get #selfId(): UserId {
    return this.self.value?.userId ?? "";
  }

  #detached({ roomId, reason }: Detached): void {
    this.#room(roomId)?.detached(reason);
    this.list.update((rooms) => list.withoutRoom(rooms, roomId));
  }

  #outgoing(outgoing: Outgoing): void {
    this.#room(outgoing.roomId)?.outgoing(outgoing);
  }

  #frame(frame: FrameOf<(typeof FRAMES)[number]>): void {
    const { roomId } = frame.data;
    const room = this.#room(roomId);
    room?.frame(frame);
    switch (frame.event) {
      case "chat.message":
      case "chat.system": {
        const isOwn = frame.data.userId === this.#selfId;
        const counting = isOwn ? "own" : this.#isReading(roomId) ? "seen" : "unread";
        const item = { kind: "said", seq: frame.seq, data: frame.data } as const;
        this.list.update((rooms) => list.withMessage(rooms, item, counting));
        this.#met(roomId, frame.data);
        this.#mark();
        return;
      }
      case "chat.messageEdited":
      case "chat.messageDeleted": {
        const last = room && lastSaid(room.state.value.timeline);
        if (last !== undefined) this.list.update((rooms) => list.withLastMessage(rooms, roomId, last));
        return;
      }
      case "chat.userJoined":
        this.#met(roomId, frame.data);
        return;
      case "chat.roomUpdated":
        this.list.update((rooms) => list.withUpdate(rooms, frame.data));
        return;
      case "chat.memberChanged":
        if (frame.data.userId === this.#selfId) void this.refresh();
        return;
    }
  }

  async #latestRooms(): Promise<RoomSummary[]> {
    const rooms: RoomSummary[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.client.request("chat.rooms", { limit: ROOMS_PAGE, ...(cursor !== undefined && { cursor }) });
      rooms.push(...page.rooms);
      cursor = page.cursor;
    } while (cursor !== undefined && rooms.length < ROOMS_LISTED_MAX);
    return rooms;
  }

  /**
   * Asks whom the direct rooms are with where nothing that was seen of them says so: nothing was said yet, or by oneself
   * alone. One after the other, for there may be many.
   *
   * @throws {Failure}
   */
  async #meetOthers(): Promise<void> {
    for (const { roomId, type, other } of this.list.value ?? []) {
      if (type !== "direct" || other !== null) continue;
      const { members } = await this.client.request("chat.members", { roomId, limit: 2 });
      for (const member of members) this.#met(roomId, member);
    }
  }

  #isReading(roomId: RoomId): boolean {
    return roomId === this.open.value && this.#looking && document.visibilityState === "visible";
  }

  /** Marks the open room as read up to its end, soon, where the person sees that. */
  #mark(): void {
    this.#marking ??= setTimeout(() => {
      this.#marking = null;
      const roomId = this.open.value;
      if (roomId === null || !this.#isReading(roomId)) return;
      this.list.update((rooms) => list.withRead(rooms, roomId));
      const seq = this.#room(roomId)?.state.value.timeline.items.at(-1)?.seq ?? 0;
      if (seq <= (this.#marked.get(roomId) ?? 0)) return;
      this.#marked.set(roomId, seq);
      this.client.request("chat.read", { roomId, seq }).catch(() => this.#marked.delete(roomId));
    }, READ_MARK_MS);
  }
}
