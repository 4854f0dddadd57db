/** The rooms of a person, by activity. Pure. */

import type { Joined, RoomId, RoomSummary, RoomUpdated, SaidItem, User, UserId } from "@klatch/client";
import type { Said } from "./timeline.js";

/** A room as the list shows it. */
export interface RoomEntry extends Omit<RoomSummary, "lastMessage"> {
  /** The newest message that was not deleted. */
  last: SaidItem | null;
  /** Of a direct room: whom it is with, once that is known. Such a room has no name of its own. */
  other: User | null;
}

/** `null` until the first answer. */
export type RoomList = readonly RoomEntry[] | null;

/** The server's answer. What came live since it was made is newer: the greater sequence stays. */
export function withAnswer(list: RoomList, rooms: readonly RoomSummary[], self: UserId): RoomList {
  const known = new Map(list?.map((room) => [room.roomId, room]));
  return sorted(
    rooms.map(entryOf).map((room) => {
      const mine = known.get(room.roomId);
      const newer = mine !== undefined && mine.seq > room.seq ? { ...mine, name: room.name || mine.name } : room;
      const met = { ...newer, other: mine?.other ?? null };
      return room.last === null ? met : meeting(met, room.last, self);
    }),
  );
}

/** A room that was attached; it may be new. */
export function withJoined(list: RoomList, { room, seq }: Joined): RoomList {
  const rooms = list ?? [];
  if (rooms.some(({ roomId }) => roomId === room.roomId)) {
    return rooms.map((known) => (known.roomId === room.roomId ? { ...known, name: room.name || known.name } : known));
  }
  const { roomId, type, name } = room;
  return sorted([...rooms, { roomId, type, name, last: null, other: null, unread: 0, mentions: 0, seq }]);
}

/** A direct room that was opened; it may be new. */
export function withDirect(list: RoomList, roomId: RoomId, seq: number, other: User): RoomList {
  const rooms = list ?? [];
  if (rooms.some((room) => room.roomId === roomId)) return change(rooms, roomId, (room) => ({ ...room, other }));
  return sorted([...rooms, { roomId, type: "direct", name: "", last: null, other, unread: 0, mentions: 0, seq }]);
}

/** What a message does to the count of a room: it adds to it, leaves it, or, as the person's own, makes all read. */
export type Counting = "unread" | "seen" | "own";

/** Something was said. */
export function withMessage(list: RoomList, { data, seq }: Said, counting: Counting): RoomList {
  const said = change(list, data.roomId, (room) => ({
    ...room,
    seq,
    last: data,
    unread: counting === "unread" ? room.unread + 1 : room.unread,
  }));
  return counting === "own" ? withRead(said, data.roomId) : said;
}

/** A message was edited or deleted: what is the last one now, is shown as it is now. */
export function withLastMessage(list: RoomList, roomId: RoomId, last: Said | null): RoomList {
  return change(list, roomId, (room) => ({ ...room, last: last?.data ?? null }));
}

/** Somebody was seen in a room. A direct one is called by whoever of them is not oneself. */
export function withPerson(list: RoomList, roomId: RoomId, person: User, self: UserId): RoomList {
  return change(list, roomId, (room) => meeting(room, person, self));
}

export function withRead(list: RoomList, roomId: RoomId): RoomList {
  return change(list, roomId, (room) => (room.unread === 0 ? room : { ...room, unread: 0, mentions: 0 }));
}

export function withUpdate(list: RoomList, { roomId, name }: RoomUpdated): RoomList {
  return change(list, roomId, (room) => ({ ...room, name }));
}

export function withoutRoom(list: RoomList, roomId: RoomId): RoomList {
  return list?.filter((room) => room.roomId !== roomId) ?? null;
}

function entryOf({ lastMessage, ...room }: RoomSummary): RoomEntry {
  const isSaid = lastMessage?.event === "chat.message" || lastMessage?.event === "chat.system";
  return { ...room, last: isSaid && !("deleted" in lastMessage.data) ? lastMessage.data : null, other: null };
}

function meeting(room: RoomEntry, { userId, username }: User, self: UserId): RoomEntry {
  // Ids that begin so are nobody's: the server speaks.
  if (room.type !== "direct" || userId === self || userId.startsWith("~")) return room;
  if (room.other?.userId === userId && (username === "" || room.other.username === username)) return room;
  return { ...room, other: { userId, username } };
}

function change(list: RoomList, roomId: RoomId, to: (room: RoomEntry) => RoomEntry): RoomList {
  const at = list?.findIndex((room) => room.roomId === roomId) ?? -1;
  const room = list?.[at];
  if (list === null || room === undefined) return list;
  const after = to(room);
  return after === room ? list : sorted(list.with(at, after));
}

function sorted(rooms: readonly RoomEntry[]): RoomList {
  return [...rooms].sort((one, other) => other.seq - one.seq);
}
