import assert from "node:assert/strict";
import { test } from "node:test";
import { hashOf, roomIn } from "../src/state/route.js";
import { fromPage, keyOf } from "../src/state/timeline.js";
import { explain } from "../src/text/failure.js";
import { pieces } from "../src/text/links.js";
import { enumerate, hue, HUES, initials } from "../src/text/names.js";
import { memberSentence } from "../src/text/notices.js";
import { beginsGroup, newFrom, rowsOf } from "../src/text/rows.js";
import { dayLabel, shortTime } from "../src/text/time.js";
import { at, message, roleChanged } from "./items.js";

const links = (text: string): (string | undefined)[] => pieces(text).flatMap(({ href }) => href ?? []);

test("addresses of the web become links, without what ends a sentence", () => {
  assert.deepEqual(links("see https://a.example/x?y=1#z, or (http://b.example/w_(v))."), [
    "https://a.example/x?y=1#z",
    "http://b.example/w_(v)",
  ]);
});

test("nothing that could run becomes a link, and no text is lost", () => {
  for (const text of ["javascript:alert(1)", "data:text/html,<b>", "<img src=x onerror=alert(1)>", "//x.example", "https://"]) {
    assert.deepEqual(links(text), [], text);
  }
  for (const text of ["", "a https://x.example b", "https://x.example", '<a href="https://x.example">'] ) {
    assert.equal(pieces(text).map((piece) => piece.text).join(""), text);
  }
});

test("rows: a day apart, a group for five minutes of one person, notices between", () => {
  const { items } = fromPage({
    events: [message(1), message(2), message(9), message(10, "x", "ada"), roleChanged(11), message(12, "x", "ada")],
    more: false,
  });
  const rows = rowsOf(items, 10, keyOf);
  assert.deepEqual(
    rows.map((row) => (row.kind === "item" ? `${row.key}${row.isFirst ? " first" : ""}` : row.kind)),
    ["day", "m1 first", "m2", "m9 first", "new", "m10 first", "11 first", "m12 first"],
  );
  assert.equal(new Set(rows.map(({ key }) => key)).size, rows.length);
});

test("a message of one's own joins the group above, if that is one's own and young", () => {
  const [item] = fromPage({ events: [message(1, "x", "ada")], more: false }).items;
  const said = Date.parse(at(1));
  assert.equal(beginsGroup(item, "ada", said + 1_000), false);
  assert.equal(beginsGroup(item, "ada", said + 600_000), true);
  assert.equal(beginsGroup(item, "ben", said), true);
  assert.equal(beginsGroup(undefined, "ada", said), true);
});

test("the new begins at the last so many messages of others", () => {
  const { items } = fromPage({ events: [message(1), message(2), message(3, "x", "ada"), message(4)], more: true });
  assert.equal(newFrom(items, 2, "ada"), 2);
  assert.equal(newFrom(items, 0, "ada"), null);
  assert.equal(newFrom(items, 9, "ada"), null);
});

test("days are called as people call them", () => {
  const now = new Date(2026, 10, 21, 0, 30);
  const label = (...date: [number, number, number, number]): string => dayLabel(new Date(...date).toISOString(), now);
  assert.equal(label(2026, 10, 21, 0), "Today");
  assert.equal(label(2026, 10, 21, 23), "Today");
  assert.equal(label(2026, 10, 20, 23), "Yesterday");
  assert.equal(label(2026, 10, 22, 9), "Today", "a clock that runs ahead makes no tomorrow");
  assert.match(label(2026, 10, 16, 9), /^\p{L}+$/u);
  assert.match(label(2025, 10, 16, 9), /2025/);
  assert.equal(shortTime("no time", now), "");
});

test("initials are letters as people see them, hues are spread and stable", () => {
  const names = ["Ada Lovelace", "ben", "Élodie de la Tour", "👩‍👩‍👧 family", "  ", "a.b-c", "李 小龙"];
  assert.deepEqual(names.map(initials), ["AL", "B", "ÉT", "👩‍👩‍👧F", "?", "AC", "李小"]);
  const hues = new Set(Array.from({ length: 100 }, (_, index) => hue(`user-${index}`)));
  assert.equal(hues.size, HUES);
  assert.equal(hue("ada"), hue("ada"));
});

test("names are enumerated, and not all of many", () => {
  assert.deepEqual([[], ["A"], ["A", "B"], ["A", "B", "C"], ["A", "B", "C", "D", "E"]].map((names) => enumerate(names)), [
    "",
    "A",
    "A and B",
    "A, B and C",
    "A, B and 3 others",
  ]);
});

test("changes and failures are sentences, also those of a newer server", () => {
  const change = { roomId: "r", userId: "ben", username: "Ben", timestamp: "" };
  assert.equal(memberSentence({ ...change, change: "kicked", by: "ada", reason: "noise" }), "Ben was removed by ada: noise");
  assert.equal(memberSentence({ ...change, change: "role", role: "owner" }), "Ben is now an owner");
  assert.equal(memberSentence({ ...change, change: "promoted" as never }), "Something changed for Ben");
  assert.equal(explain({ code: "banned", message: "" }), "You have been banned from this room.");
  assert.equal(explain({ code: "newer", message: "name: is empty" }), "Name: is empty.");
});

test("any room id fits into the address and comes back", () => {
  for (const id of ["kitchen", "~dABC", "a/b?c#d", "100%", "ü 😀", "#/room/x"]) assert.equal(roomIn(hashOf(id)), id);
  for (const hash of ["", "#/", "#/room/", "#/room/%", "#conversation"]) assert.equal(roomIn(hash), null);
});
