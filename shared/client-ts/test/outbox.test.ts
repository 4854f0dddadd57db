import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outgoing } from "../src/index.js";
import { online, session, type Session } from "./session.js";

/** Every state that messages went through, as `text: state`. */
function states({ client }: Session): string[] {
  const seen: string[] = [];
  client.on("outgoing", ({ draft, state }) => seen.push(`${draft.message}: ${state.is}`));
  return seen;
}

const settled = ({ state }: Outgoing): boolean => state.is !== "pending";

test("cut between a message and its ack: sent again under its id, stored once", async (t) => {
  const made = await online(t);
  const { peer, client, next } = made;
  const seen = states(made);
  let cut = false;
  peer.intercept = (frame) => {
    if (frame.event !== "chat.message" || cut) return false;
    cut = true;
    peer.store(frame.id!, String(frame.data["message"]));
    peer.drop();
    return true;
  };
  const sent = next("outgoing", settled);
  const { id } = client.send("r", { message: "hello" });
  const { state } = await sent;
  assert.ok(state.is === "sent" && state.ack.messageId === `m-${id}`);
  assert.equal(peer.received.filter(({ event }) => event === "chat.message").length, 2);
  assert.equal(peer.log.length, 1);
  assert.deepEqual(seen, ["hello: pending", "hello: sent"]);
});

test("messages of a room keep their order, also where the first has to be sent again", async (t) => {
  const { peer, client, next } = await online(t);
  let refusals = 2;
  peer.intercept = ({ event, id }, socket) => {
    if (event !== "chat.message" || refusals-- <= 0) return false;
    const data = { code: "rate_limited", message: "slowly", retryable: true, retryAfterMs: 1 };
    peer.say(socket, { event: "error", id, data });
    return true;
  };
  const last = next("outgoing", (outgoing) => settled(outgoing) && outgoing.draft.message === "three");
  for (const message of ["one", "two", "three"]) client.send("r", { message });
  await last;
  assert.deepEqual(
    peer.log.map(({ data }) => data["message"]),
    ["one", "two", "three"],
  );
});

test("what is said while there is no connection is sent once there is one", async (t) => {
  const made = await session(t);
  const { peer, client, next } = made;
  client.send("r", { message: "early" });
  const sent = next("outgoing", settled);
  client.connect();
  assert.equal((await sent).state.is, "sent");
  assert.equal(peer.log.length, 1);
});

test("a refusal for good fails the message and not the next; a retry keeps the id", async (t) => {
  const made = await online(t);
  const { peer, client, next } = made;
  const seen = states(made);
  peer.intercept = ({ event, id, data }, socket) => {
    if (event !== "chat.message" || data["message"] !== "no") return false;
    peer.say(socket, { event: "error", id, data: { code: "muted", message: "muted", retryable: false } });
    return true;
  };
  const second = next("outgoing", ({ draft, state }) => draft.message === "yes" && state.is === "sent");
  const { id } = client.send("r", { message: "no" });
  client.send("r", { message: "yes" });
  await second;
  assert.deepEqual(seen, ["no: pending", "yes: pending", "no: failed", "yes: sent"]);
  peer.intercept = () => false;
  const sent = next("outgoing", settled);
  client.retrySend(id);
  assert.equal((await sent).id, id);
});

test("without an answer in all its time a message is given up", async (t) => {
  const { peer, client, next } = await online(t, { limits: { requestMsMax: 10, sendMsMax: 60 } });
  peer.intercept = () => true;
  const failed = next("outgoing", settled);
  client.send("r", { message: "hello" });
  const { state } = await failed;
  assert.ok(state.is === "failed" && state.failure.code === "timeout");
  const ids = new Set(peer.received.map(({ id }) => id));
  assert.equal(ids.size, 1, "every attempt had the same id");
  assert.ok(peer.received.length > 1);
});

test("past the limit nothing more is taken", async (t) => {
  const { client } = await session(t, { limits: { sendsMax: 2 } });
  client.send("r", { message: "one" });
  client.send("q", { message: "two" });
  assert.throws(() => client.send("r", { message: "three" }), { code: "too_many_pending" });
});
