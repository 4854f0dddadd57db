import assert from "node:assert/strict";
import { test } from "node:test";
import { online } from "./session.js";

test("the first join brings the newest page, and live messages follow once", async (t) => {
  const { peer, client, next, heard } = await online(t);
  peer.post("before", { live: false });
  const joined = await client.join("r");
  assert.equal(joined.events.length, 1);
  assert.deepEqual(heard, [], "a page is not news");
  const last = next("chat.message", ({ data }) => data.message === "two");
  peer.post("one");
  peer.post("two");
  await last;
  assert.deepEqual(heard, ["one", "two"]);
  assert.deepEqual(client.position("r"), { epoch: "e1", seq: 30 });
});

test("a frame that comes again, or late, is dropped", async (t) => {
  const { peer, client } = await online(t);
  await client.join("r");
  const edits: number[] = [];
  client.on("chat.messageEdited", ({ seq }) => edits.push(seq ?? 0));
  const edit = (seq: number, prev: number): object => ({ event: "chat.messageEdited", seq, prev, data: { roomId: "r" } });
  for (const frame of [edit(10, 0), edit(20, 10), edit(20, 10), edit(10, 0), edit(30, 20)]) peer.broadcast(frame);
  await client.request("chat.ping", {});
  assert.deepEqual(edits, [10, 20, 30]);
});

test("after a cut everything missed comes in order, then resumed", async (t) => {
  const { peer, client, next, heard } = await online(t);
  await client.join("r");
  peer.post("one");
  await next("chat.message");
  peer.drop();
  peer.post("two", { live: false });
  peer.post("three", { live: false });
  await next("resumed");
  assert.deepEqual(heard, ["one", "two", "three"]);
  assert.deepEqual(peer.received.at(-1)?.data["since"], { epoch: "e1", seq: 10 });
  peer.post("four");
  await next("chat.message");
  assert.equal(heard.at(-1), "four");
});

test("a position that can't be served is told as a reset, with the newest page", async (t) => {
  const { peer, client, next, heard } = await online(t);
  await client.join("r");
  peer.post("one");
  await next("chat.message");
  peer.epoch = "e2";
  peer.post("two", { live: false });
  const reset = next("reset");
  peer.drop();
  const { events, recovered } = await reset;
  assert.equal(recovered, false);
  assert.equal(events.length, 2);
  assert.deepEqual(heard, ["one"], "what is on the new page is not told as news");
  assert.deepEqual(client.position("r"), { epoch: "e2", seq: 20 });
});

test("a gap in the chain is filled by joining again, and nothing is told twice or out of order", async (t) => {
  const { peer, client, next, heard } = await online(t);
  await client.join("r");
  peer.post("lost", { live: false });
  const resumed = next("resumed");
  peer.post("after the gap");
  await resumed;
  assert.deepEqual(heard, ["lost", "after the gap"]);
});

test("frames that overtake the answer to a join are held until it is there", async (t) => {
  const { peer, client, next, heard } = await online(t);
  peer.intercept = (frame, socket) => {
    if (frame.event !== "chat.join") return false;
    const joined = peer.joined("r", undefined);
    peer.post("overtaking");
    peer.say(socket, { event: "chat.joined", data: joined });
    return true;
  };
  const message = next("chat.message");
  const joined = await client.join("r");
  assert.equal(joined.events.length, 0);
  await message;
  assert.deepEqual(heard, ["overtaking"]);
});

test("a message stored twice under one messageId is told once", async (t) => {
  const { peer, client, next, heard } = await online(t);
  await client.join("r");
  peer.post("once", { messageId: "same" });
  peer.post("once", { messageId: "same" });
  peer.post("end");
  await next("chat.message", ({ data }) => data.message === "end");
  assert.deepEqual(heard, ["once", "end"]);
});

test("a refusal for now is tried again, a refusal for good ends it", async (t) => {
  const { peer, client, next } = await online(t);
  const codes = ["unavailable", "unavailable", "banned"];
  peer.intercept = ({ event, id }, socket) => {
    if (event !== "chat.join") return false;
    const code = codes.shift() ?? "internal";
    peer.say(socket, { event: "error", id, data: { code, message: code, retryable: code === "unavailable" } });
    return true;
  };
  const detached = next("detached");
  await assert.rejects(client.join("r"), { code: "banned" });
  assert.equal((await detached).roomId, "r");
  assert.equal(peer.received.filter(({ event }) => event === "chat.join").length, 3);
  peer.drop();
  await next("welcome");
  await client.request("chat.ping", {});
  assert.equal(peer.received.filter(({ event }) => event === "chat.join").length, 3, "it is not wanted any more");
});

test("a join without an answer is asked again", async (t) => {
  const { peer, client } = await online(t, { limits: { requestMsMax: 20 } });
  let joins = 0;
  peer.intercept = ({ event }) => event === "chat.join" && ++joins === 1;
  await client.join("r");
  assert.equal(joins, 2);
});

test("our own removal is the last that is told of a room", async (t) => {
  const { peer, client, next, heard } = await online(t);
  await client.join("r");
  const detached = next("detached");
  const data = { roomId: "r", userId: "ada", username: "Ada", change: "kicked", by: "ben", timestamp: "" };
  peer.broadcast({ event: "chat.memberChanged", seq: 10, prev: 0, data });
  assert.deepEqual(await detached, { roomId: "r", reason: "kicked" });
  assert.equal(client.position("r"), null);
  assert.deepEqual(heard, []);
});

test("an event without a place in the timeline moves no position", async (t) => {
  const { peer, client, next, heard } = await online(t);
  await client.join("r");
  const changed = next("chat.memberChanged");
  const data = { roomId: "r", userId: "ben", username: "Ben", change: "joined", timestamp: "" };
  peer.broadcast({ event: "chat.memberChanged", seq: 15, data });
  await changed;
  peer.post("earlier in the stream");
  await next("chat.message");
  assert.deepEqual(heard, ["earlier in the stream"]);
});

test("a room that was left is not joined again", async (t) => {
  const { peer, client, next } = await online(t);
  await client.join("r");
  client.leave("r");
  await client.request("chat.ping", {});
  peer.drop();
  await next("welcome");
  await client.request("chat.ping", {});
  assert.deepEqual(
    peer.received.map(({ event }) => event),
    ["chat.join", "chat.leave", "chat.ping", "chat.ping"],
  );
});
