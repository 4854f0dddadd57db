import assert from "node:assert/strict";
import { test } from "node:test";
import type { RoomSummary } from "@klatch/client";
import * as list from "../src/state/room_list.js";
import { roomTitle } from "../src/text/names.js";
import { message } from "./items.js";

const room = (roomId: string, seq: number, unread = 0, name = roomId): RoomSummary => {
  return { roomId, type: "group", name, lastMessage: null, unread, mentions: 0, seq };
};
const item = (roomId: string, seq: number) => {
  const { data } = message(seq);
  return { kind: "said", seq, data: { ...data, roomId } } as const;
};
const withAnswer = (rooms: list.RoomList, answer: RoomSummary[]) => list.withAnswer(rooms, answer, "ada");
const shown = (rooms: list.RoomList): string[] => (rooms ?? []).map(({ name, unread }) => `${name} ${unread}`);

test("the room with the latest event comes first, and counts what was not seen", () => {
  let rooms = withAnswer(null, [room("a", 30), room("b", 20)]);
  rooms = list.withMessage(rooms, item("b", 40), "unread");
  rooms = list.withMessage(rooms, item("b", 50), "unread");
  rooms = list.withMessage(rooms, item("a", 45), "seen");
  assert.deepEqual(shown(rooms), ["b 2", "a 0"]);
  assert.deepEqual(shown(list.withRead(rooms, "b")), ["b 0", "a 0"]);
});

test("who says something has read what was said before", () => {
  const rooms = withAnswer(null, [room("a", 10, 3), room("b", 5, 2)]);
  assert.deepEqual(shown(list.withMessage(rooms, item("a", 20), "own")), ["a 0", "b 2"]);
});

test("an answer that was overtaken by live messages does not undo them; a newer one counts", () => {
  const rooms = list.withMessage(withAnswer(null, [room("a", 10)]), item("a", 20), "unread");
  assert.deepEqual(shown(withAnswer(rooms, [room("a", 10), room("b", 5)])), ["a 1", "b 0"]);
  assert.deepEqual(shown(withAnswer(rooms, [room("a", 20, 7)])), ["a 7"]);
});

test("a room that the answer does not have any more goes", () => {
  assert.deepEqual(shown(withAnswer(withAnswer(null, [room("a", 1), room("b", 2)]), [room("a", 1)])), ["a 0"]);
});

test("a direct room is called by whom it is with, who is never oneself, and stays so through answers", () => {
  const direct = { ...room("~d1", 1, 0, ""), type: "direct" } as const;
  let rooms = withAnswer(null, [direct]);
  const title = (): string => roomTitle(rooms![0]!);
  assert.equal(title(), "Direct message", "nobody was seen yet, and an id is nothing to read");
  rooms = list.withPerson(rooms, "~d1", { userId: "ada", username: "Ada" }, "ada");
  assert.equal(title(), "Direct message");
  rooms = list.withPerson(rooms, "~d1", { userId: "ben", username: "" }, "ada");
  assert.equal(title(), "ben");
  rooms = list.withPerson(rooms, "~d1", { userId: "ben", username: "Ben" }, "ada");
  rooms = list.withPerson(rooms, "~d1", { userId: "ben", username: "" }, "ada");
  rooms = list.withPerson(rooms, "~d1", { userId: "~system", username: "Server" }, "ada");
  rooms = withAnswer(rooms, [{ ...direct, seq: 2 }]);
  assert.equal(title(), "Ben");
});

test("whom a direct room is with, its last message says", () => {
  const lastMessage = message(7, "hello", "cleo");
  const rooms = withAnswer(null, [{ ...room("~d1", 7, 1, ""), type: "direct", lastMessage }, { ...room("b", 7), lastMessage }]);
  assert.deepEqual(rooms?.map(({ other }) => other?.userId), ["cleo", undefined]);
});

test("a direct room that was opened is in the list at once, once", () => {
  const ben = { userId: "ben", username: "Ben" };
  let rooms = list.withDirect(withAnswer(null, [room("a", 1, 2)]), "~d1", 5, ben);
  rooms = list.withDirect(rooms, "~d1", 5, ben);
  assert.deepEqual(rooms?.map((entry) => roomTitle(entry)), ["Ben", "a"]);
  assert.equal(list.withDirect(null, "~d1", 5, ben)?.length, 1);
});

test("nothing that is said of an unknown room changes the list", () => {
  const rooms = withAnswer(null, [room("a", 1)]);
  assert.equal(list.withMessage(rooms, item("x", 9), "unread"), rooms);
  assert.equal(list.withRead(rooms, "a"), rooms);
  assert.equal(list.withRead(null, "a"), null);
});
