import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outgoing } from "@klatch/client";
import { fromPage, ITEMS_MAX, keyOf, lastSaid, withFrame, withPage, withSent, type Timeline } from "../src/state/timeline.js";
import { at, deleted, edited, message, roleChanged, tombstone } from "./items.js";

const keys = (timeline: Timeline): string[] => timeline.items.map(keyOf);
const texts = (timeline: Timeline): unknown[] =>
  timeline.items.map((item) => (item.kind === "said" ? item.data.message : item.kind));

test("a page and live frames make one timeline, by sequence, each once", () => {
  let timeline = fromPage({ events: [message(10), roleChanged(11)], more: true });
  for (const seq of [20, 30, 20, 25, 10]) timeline = withFrame(timeline, message(seq));
  assert.deepEqual(keys(timeline), ["m10", "11", "m20", "m25", "m30"]);
  assert.equal(timeline.more, true);
});

test("an older page goes in front and says whether there is more", () => {
  const timeline = withPage(fromPage({ events: [message(30)], more: true }), {
    events: [message(10), message(20), message(30, "as the page has it")],
    more: false,
  });
  assert.deepEqual(texts(timeline), ["text 10", "text 20", "text 30"]);
  assert.equal(timeline.more, false);
});

test("edits and deletions change the message in its place", () => {
  let timeline = fromPage({ events: [message(10), message(20)], more: false });
  timeline = withFrame(withFrame(timeline, edited(10, "better")), deleted(20));
  assert.deepEqual(texts(timeline), ["better", "deleted"]);
  assert.doesNotMatch(JSON.stringify(timeline), /text 20/, "nothing of a deleted message is kept");
  timeline = withFrame(timeline, edited(20, "back from the dead"));
  assert.deepEqual(texts(timeline), ["better", "deleted"]);
});

test("a change that comes before the page with its message is not lost", () => {
  let timeline = fromPage({ events: [message(30)], more: true });
  timeline = withFrame(withFrame(timeline, edited(10, "better")), deleted(20));
  timeline = withPage(timeline, { events: [message(10), message(20)], more: false });
  assert.deepEqual(texts(timeline), ["better", "deleted", "text 30"]);
});

test("changes of messages that never come are forgotten in the end", () => {
  let timeline = fromPage({ events: [], more: true });
  for (let seq = 1; seq <= 1_000; seq += 1) timeline = withFrame(timeline, edited(seq, "x"));
  assert.equal(timeline.changes.size, 256);
});

test("an acknowledged message takes its place at once, and its frame adds nothing", () => {
  const outgoing: Outgoing = { id: "c1", roomId: "r", draft: { message: "hi" }, submittedAt: 0, state: { is: "pending" } };
  const ack = { roomId: "r", messageId: "m15", seq: 15, epoch: "e", timestamp: at(1) };
  let timeline = fromPage({ events: [message(10), message(20)], more: false });
  timeline = withSent(timeline, outgoing, ack, { userId: "ada", username: "Ada" });
  timeline = withFrame(timeline, message(15, "hi", "ada"));
  assert.deepEqual(keys(timeline), ["m10", "m15", "m20"]);
});

test("past the limit the oldest go, and can be loaded again", () => {
  const events = Array.from({ length: ITEMS_MAX }, (_, index) => message(index + 1));
  const timeline = withFrame(fromPage({ events, more: false }), message(ITEMS_MAX + 1));
  assert.equal(timeline.items.length, ITEMS_MAX);
  assert.equal(timeline.more, true);
  assert.equal(timeline.items[0]?.seq, 2);
});

test("the last message is the newest that was not deleted", () => {
  const timeline = withFrame(fromPage({ events: [message(10), message(20), roleChanged(30)], more: false }), deleted(20));
  assert.equal(lastSaid(timeline)?.seq, 10);
});

test("a page shows what was deleted before as deleted, and whose it was", () => {
  const [item] = fromPage({ events: [tombstone(10)], more: false }).items;
  assert.ok(item?.kind === "deleted" && item.data.userId === "ben" && item.username === null);
});

test("what this page does not know is not shown and breaks nothing", () => {
  const timeline = fromPage({ events: [{ event: "chat.newer", seq: 5, data: {} }, message(10)], more: false });
  assert.deepEqual(keys(timeline), ["m10"]);
});
