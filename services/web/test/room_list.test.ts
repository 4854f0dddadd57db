import assert from "node:assert/strict";
import { test } from "node:test";
import type { RoomSummary } from "@klatch/client";
import * as list from "../src/state/room_list.js";
import { message } from "./items.js";

const room = (roomId: string, seq: number, unread = 0, name = roomId): RoomSummary => {
  return { roomId, type: "group", name, lastMessage: null, unread, mentions: 0, seq };
};
const item = (roomId: string, seq: number) => {
  const { data } = message(seq);
  return { kind: "said", seq, data: { ...data, roomId } } as const;
};
const shown = (rooms: list.RoomList): string[] => (rooms ?? []).map(({ name, unread }) => `${name} ${unread}`);

test("the room with the latest event comes first, and counts what was not seen", () => {
  let rooms = list.withAnswer(null, [room("a", 30), room("b", 20)]);
  rooms = list.withMessage(rooms, item("b", 40), "unread");
  rooms = list.withMessage(rooms, item("b", 50), "unread");
  rooms = list.withMessage(rooms, item("a", 45), "seen");
  assert.deepEqual(shown(rooms), ["b 2", "a 0"]);
  assert.deepEqual(shown(list.withRead(rooms, "b")), ["b 0", "a 0"]);
});

test("who says something has read what was said before", () => {
  const rooms = list.withAnswer(null, [room("a", 10, 3), room("b", 5, 2)]);
  assert.deepEqual(shown(list.withMessage(rooms, item("a", 20), "own")), ["a 0", "b 2"]);
});

test("an answer that was overtaken by live messages does not undo them; a newer one counts", () => {
  const rooms = list.withMessage(list.withAnswer(null, [room("a", 10)]), item("a", 20), "unread");
  assert.deepEqual(shown(list.withAnswer(rooms, [room("a", 10), room("b", 5)])), ["a 1", "b 0"]);
  assert.deepEqual(shown(list.withAnswer(rooms, [room("a", 20, 7)])), ["a 7"]);
});

test("a room that the answer does not have any more goes", () => {
  assert.deepEqual(shown(list.withAnswer(list.withAnswer(null, [room("a", 1), room("b", 2)]), [room("a", 1)])), ["a 0"]);
});

test("the name that was found for a direct room outlives the next answer", () => {
  const rooms = list.withName(list.withAnswer(null, [room("~d1", 1, 0, "")]), "~d1", "Ben");
  assert.deepEqual(shown(list.withAnswer(rooms, [room("~d1", 2, 0, "")])), ["Ben 0"]);
});

test("nothing that is said of an unknown room changes the list", () => {
  const rooms = list.withAnswer(null, [room("a", 1)]);
  assert.equal(list.withMessage(rooms, item("x", 9), "unread"), rooms);
  assert.equal(list.withRead(rooms, "a"), rooms);
  assert.equal(list.withRead(null, "a"), null);
});
