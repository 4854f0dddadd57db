import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventFrame, MemberSummary } from "@klatch/client";
import { emptyRoster, expired, sortedMembers, TYPING_MS, withFrame, withHere } from "../src/state/roster.js";
import { message } from "./items.js";

const person = (userId: string) => ({ roomId: "r", userId, username: userId });
const joined = (userId: string): EventFrame => ({ event: "chat.userJoined", data: person(userId) });
const left = (userId: string): EventFrame => ({ event: "chat.userLeft", data: person(userId) });
const typing = (userId: string, isTyping = true): EventFrame => ({ event: "chat.typing", data: { ...person(userId), isTyping } });
const here = withHere(emptyRoster, [person("cleo"), person("ada")], 2);

test("who comes is here once, who goes is not, and the count follows", () => {
  const after = [joined("ben"), joined("ben"), left("cleo"), left("cleo")].reduce((r, f) => withFrame(r, f, "ada", 0), here);
  assert.deepEqual(after.here.map(({ userId }) => userId), ["ada", "ben"]);
  assert.equal(after.hereCount, 2);
});

test("a big room counts people that it does not name", () => {
  const big = withHere(emptyRoster, [person("ada")], 5_000);
  assert.equal(withFrame(big, { event: "chat.presence", data: { roomId: "r", users: [], userCount: 4_999 } }, "ada", 0).hereCount, 4_999);
  assert.equal(withFrame(big, { event: "chat.presence", data: { roomId: "r", users: [], userCount: 4_999 } }, "ada", 0).here.length, 1);
});

test("typing ends by a word, by a message, by going, and by itself; one's own is not shown", () => {
  const typed = withFrame(here, typing("cleo"), "ada", 0);
  assert.equal(typed.typing.length, 1);
  assert.equal(withFrame(typed, typing("cleo"), "ada", 0).typing.length, 1);
  assert.equal(withFrame(typed, typing("cleo", false), "ada", 0).typing.length, 0);
  assert.equal(withFrame(typed, message(1, "done", "cleo"), "ada", 0).typing.length, 0);
  assert.equal(withFrame(typed, left("cleo"), "ada", 0).typing.length, 0);
  assert.equal(expired(typed, TYPING_MS - 1).typing.length, 1);
  assert.equal(expired(typed, TYPING_MS).typing.length, 0);
  assert.equal(withFrame(here, typing("ada"), "ada", 0).typing.length, 0);
});

test("members who are here come first, each part by name", () => {
  const member = (userId: string): MemberSummary => ({ ...person(userId), role: "member", standing: "joined" });
  const roster = { ...here, members: ["dov", "cleo", "ben", "ada"].map(member) };
  assert.deepEqual(
    sortedMembers(roster).map(({ member: { userId }, isHere }) => `${userId} ${isHere}`),
    ["ada true", "cleo true", "ben false", "dov false"],
  );
});
