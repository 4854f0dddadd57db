import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceFor } from "../src/closing.js";
import { online, session } from "./session.js";

test("the token goes by subprotocol, and a welcome makes the client online", async (t) => {
  const { peer, client } = await online(t);
  assert.deepEqual(peer.protocols, [["klatch.v1", "klatch.bearer.t.o.k"]]);
  assert.deepEqual(client.state, { is: "online", user: { userId: "ada", username: "Ada" }, sessionId: "s" });
});

test("a cut connection is made anew, a request under way is asked again under its id and answered", async (t) => {
  const { peer, client, next } = await online(t);
  let cut = false;
  peer.intercept = (frame) => {
    if (frame.event !== "chat.rooms" || cut) return false;
    cut = true;
    peer.drop();
    return true;
  };
  const again = next("welcome");
  await client.request("chat.rooms", {});
  await again;
  const asked = peer.received.filter(({ event }) => event === "chat.rooms");
  assert.equal(asked.length, 2);
  assert.equal(asked[0]?.id, asked[1]?.id);
});

test("a goodbye's hint is the least that the client waits", async (t) => {
  const { peer, client, next } = await online(t);
  const waiting = next("state", ({ is }) => is === "waiting");
  const before = Date.now();
  peer.broadcast({ event: "chat.goodbye", data: { reason: "drain", reconnectAfterMs: 60_000, resume: true } });
  peer.close(4000);
  const state = await waiting;
  assert.ok(state.is === "waiting" && state.at >= before + 60_000);
  assert.deepEqual(state.ending, { code: 4000, reason: "", reconnectAfterMs: 60_000 });
  const welcome = next("welcome");
  client.wake();
  await welcome;
});

test("a server that welcomes and falls at once is tried ever more rarely", async (t) => {
  const { peer, client } = await online(t, { random: () => 0.99 });
  peer.welcome = { retry: { minMs: 2, maxMs: 100_000 } };
  const attempts: number[] = [];
  await new Promise<void>((resolve) => {
    client.on("welcome", () => peer.drop());
    client.on("state", (state) => {
      if (state.is === "waiting" && attempts.push(state.attempt) === 4) resolve();
    });
    peer.drop();
  });
  assert.deepEqual(attempts, [1, 2, 3, 4]);
});

test("a close code that says stay away is obeyed", async (t) => {
  const { peer, next } = await online(t);
  const stopped = next("state", ({ is }) => is === "stopped");
  peer.close(4200, "not_authenticated: stay away");
  const state = await stopped;
  assert.ok(state.is === "stopped" && state.ending?.code === 4200);
  assert.equal(peer.connections, 1);
});

test("an expired token is replaced by the source's next; the same one again is not tried", async (t) => {
  const tokens = ["first", "second", "second"];
  const { peer, next } = await online(t, { token: () => tokens.shift() ?? "second" });
  const welcome = next("welcome");
  peer.close(4101, "token_expired: reconnect with another token");
  await welcome;
  assert.deepEqual(peer.protocols.at(-1), ["klatch.v1", "klatch.bearer.second"]);
  const stopped = next("state", ({ is }) => is === "stopped");
  peer.close(4101, "token_expired: reconnect with another token");
  const state = await stopped;
  assert.ok(state.is === "stopped" && state.ending?.code === 4101);
  assert.equal(peer.connections, 2);
});

test("a token that is refused before the upgrade is tried again where a refusal has a reason", async (t) => {
  const { peer, client, next } = await session(t, { token: "bad" });
  peer.refused.set("bad", "not_authenticated");
  const stopped = next("state", ({ is }) => is === "stopped");
  client.connect();
  const state = await stopped;
  assert.ok(state.is === "stopped" && state.ending?.code === 4200);
  assert.deepEqual(peer.protocols, [["klatch.v1"]], "the first attempt did not get so far");
});

test("a token that expired while there was no connection is replaced", async (t) => {
  const tokens = ["old", "old", "new"];
  const { peer, client, next } = await session(t, { token: () => tokens.shift() ?? "new" });
  peer.refused.set("old", "token_expired");
  const welcome = next("welcome");
  client.connect();
  await welcome;
  assert.deepEqual(peer.protocols.at(-1), ["klatch.v1", "klatch.bearer.new"]);
});

test("a token near its end is renewed on the open connection", async (t) => {
  const ending = (secondsFromNow: number): string => {
    const claims = { exp: Math.floor(Date.now() / 1_000) + secondsFromNow };
    return `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
  };
  const tokens = [ending(30), ending(3_600)];
  const second = tokens[1];
  const { peer, client } = await online(t, { token: () => tokens.shift() ?? "" });
  await new Promise<void>((resolve) => {
    peer.intercept = ({ event }) => {
      if (event === "chat.auth") resolve();
      return false;
    };
  });
  assert.deepEqual(peer.received.find(({ event }) => event === "chat.auth")?.data, { token: second });
  assert.equal(client.state.is, "online");
});

test("a server that falls silent is asked, then given up, and another connection is made", async (t) => {
  const { peer, next } = await online(t, { limits: { silenceMsMax: 10, pongMsMax: 20 } });
  peer.intercept = () => true;
  const ended = next("state", ({ is }) => is === "waiting");
  const again = next("welcome");
  const state = await ended;
  assert.ok(state.is === "waiting" && state.ending.reason === "no answer to a ping");
  await again;
  assert.ok(peer.received.some(({ event }) => event === "chat.ping"));
});

test("a server that answers pings is kept", async (t) => {
  const { peer, client } = await online(t, { limits: { silenceMsMax: 5, pongMsMax: 1_000 } });
  let pings = 0;
  const enough = new Promise<void>((resolve) => {
    peer.intercept = ({ event }) => {
      if (event === "chat.ping" && ++pings === 5) resolve();
      return false;
    };
  });
  await enough;
  assert.equal(client.state.is, "online");
  assert.equal(peer.connections, 1);
});

test("without a welcome in time the attempt is over", async (t) => {
  const { peer, client, next } = await session(t, { limits: { connectMsMax: 20 } });
  peer.mute = true;
  const waiting = next("state", ({ is }) => is === "waiting");
  client.connect();
  const state = await waiting;
  assert.ok(state.is === "waiting" && state.ending.reason === "no welcome in time");
});

test("what is no frame of ours is ignored", async (t) => {
  const { peer, client } = await online(t);
  for (const frame of ["", "null", "[]", "{", '{"event":1}', '{"event":"chat.newer","data":{"x":1}}', '{"event":"ack"}']) {
    peer.broadcastText(frame);
  }
  await client.request("chat.ping", {});
  assert.equal(client.state.is, "online");
});

test("a request without an answer fails with timeout, one past the limit with too_many_pending", async (t) => {
  const { peer, client } = await online(t, { limits: { requestMsMax: 20, requestsMax: 1 } });
  peer.intercept = () => true;
  const first = client.request("chat.rooms", {});
  await assert.rejects(client.request("chat.rooms", {}), { code: "too_many_pending", retryable: false });
  await assert.rejects(first, { code: "timeout", retryable: true });
});

test("a frame larger than the server takes is refused before it is sent", async (t) => {
  const peerLimits = { limits: { frameBytesMax: 100 }, retry: { minMs: 1, maxMs: 5 } };
  const { peer, client, next } = await session(t);
  peer.welcome = peerLimits;
  const welcome = next("welcome");
  client.connect();
  await welcome;
  await assert.rejects(client.request("chat.typing", { roomId: "ä".repeat(40), isTyping: true }), { code: "too_large" });
  assert.equal(peer.received.length, 0);
});

test("closing lets everything that waits fail", async (t) => {
  const { peer, client } = await online(t);
  peer.intercept = () => true;
  const request = client.request("chat.rooms", {});
  const join = client.join("r");
  client.close();
  await assert.rejects(request, { code: "closed" });
  await assert.rejects(join, { code: "closed" });
  assert.deepEqual(client.state, { is: "stopped", ending: null });
});

test("advice follows the ranges of the close codes", () => {
  assert.deepEqual([1000, 1001, 1006, 1012, 4000, 4001, 4102].map(adviceFor), Array(7).fill("reconnect"));
  assert.deepEqual([4100, 4101].map(adviceFor), ["renewToken", "renewToken"]);
  assert.deepEqual([1002, 1003, 1007, 1009, 4200, 4299].map(adviceFor), Array(6).fill("stayAway"));
});
