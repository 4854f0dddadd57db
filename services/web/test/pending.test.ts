import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure, type Outgoing, type SaidItem } from "@klatch/client";
import { without, withEcho, withOutgoing, type Pending } from "../src/state/pending.js";
import { message } from "./items.js";

const outgoing = (id: string, is: "pending" | "sent" | "failed" = "pending"): Outgoing => {
  const ack = { roomId: "r", messageId: id, seq: 1, epoch: "e", timestamp: "" };
  const failure = Failure.local("timeout", "late");
  const state = { pending: { is: "pending" }, sent: { is: "sent", ack }, failed: { is: "failed", failure } } as const;
  return { id, roomId: "r", draft: { message: `say ${id}` }, submittedAt: 0, state: state[is] };
};
const echo = (text: string): SaidItem => message(1, text, "ada").data;
const ids = (pending: Pending): string[] => pending.map(({ id, state }) => `${id} ${state.is}`);

test("messages wait in order, go when they are sent, stay when they failed", () => {
  let pending: Pending = [];
  for (const change of [outgoing("a"), outgoing("b"), outgoing("a", "failed"), outgoing("b", "sent")]) {
    pending = withOutgoing(pending, change);
  }
  assert.deepEqual(ids(pending), ["a failed"]);
  assert.deepEqual(ids(without(pending, "a")), []);
});

test("an echo that overtakes its acknowledgement is the first one waiting, if it says the same", () => {
  const pending = [outgoing("f", "failed"), outgoing("a"), outgoing("b")];
  assert.deepEqual(ids(withEcho(pending, echo("say a"))), ["f failed", "b pending"]);
  assert.equal(withEcho(pending, echo("said elsewhere")), pending);
  assert.equal(withEcho([], echo("say a")).length, 0);
});

test("a message whose echo was taken for it, and that failed after all, is shown again", () => {
  const pending = withEcho([outgoing("a")], echo("say a"));
  assert.deepEqual(ids(withOutgoing(pending, outgoing("a", "failed"))), ["a failed"]);
  assert.deepEqual(ids(withOutgoing(pending, outgoing("a", "sent"))), []);
});
