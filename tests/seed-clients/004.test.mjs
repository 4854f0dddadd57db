// The session of seed 004 with the npm package `ws`, on two edges: frames, cookie, statistics and system message as its
// document writes them, and the way behind a gateway. Nothing here knows of Klatch but the token's mint.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { curl, postJson } from "./curl.mjs";
import { until } from "./deadline.mjs";
import { holds } from "./listener.mjs";
import { INTERNAL_API_KEY, start, token } from "./system.mjs";
import { connect as open, refusal } from "./websocket-client.mjs";

let system;
let connected = 0;

before(async () => (system = await start()));
after(() => system?.stop());

/** A client as the document's wscat line makes it; one after the other they come to the two edges in turn. */
async function connect(user, name) {
  const edge = system.edges[(connected += 1) % system.edges.length];
  return open(name, `${edge.ws}/chat/ws`, { Cookie: `access_token=${await token(user, name)}` });
}

test("join room: confirmation to oneself, notification to the others", async () => {
  const [john, jane] = [await connect("1", "John"), await connect("2", "Jane")];
  john.send("chat.join", { roomId: "room123" });
  holds(await john.hears("chat.joined"), { roomId: "room123" });
  jane.send("chat.join", { roomId: "room123" });
  holds(await jane.hears("chat.joined"), { roomId: "room123" });
  holds(await john.hears("chat.userJoined"), { userId: "2", roomId: "room123" });
  john.close();
  jane.close();
});

test("send message: everyone in the room hears it, its sender too, with the documented fields", async () => {
  const [john, jane] = [await connect("1", "John"), await connect("2", "Jane")];
  for (const client of [john, jane]) {
    client.send("chat.join", { roomId: "talk" });
    await client.hears("chat.joined");
  }
  john.send("chat.message", { roomId: "talk", message: "Hello world!", username: "Somebody Else" });
  for (const client of [john, jane]) {
    const message = await client.hears("chat.message");
    holds(message, { roomId: "talk", userId: "1", username: "John", message: "Hello world!" });
    assert.match(message.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
  john.close();
  jane.close();
});

test("typing indicator: the others hear it", async () => {
  const [john, jane] = [await connect("1", "John"), await connect("2", "Jane")];
  for (const client of [john, jane]) {
    client.send("chat.join", { roomId: "typing" });
    await client.hears("chat.joined");
  }
  john.send("chat.typing", { roomId: "typing", username: "John", isTyping: true });
  holds(await jane.hears("chat.typing"), { userId: "1", username: "John", isTyping: true });
  john.close();
  jane.close();
});

test("leave room and disconnect: the others hear that the user left", async () => {
  const [john, jane, jim] = [await connect("1", "John"), await connect("2", "Jane"), await connect("3", "Jim")];
  for (const client of [john, jane, jim]) {
    client.send("chat.join", { roomId: "leaving" });
    await client.hears("chat.joined");
  }
  jane.send("chat.leave", { roomId: "leaving" });
  holds(await john.hears("chat.userLeft", (data) => data.userId === "2"), { roomId: "leaving" });
  jim.close();
  holds(await john.hears("chat.userLeft", (data) => data.userId === "3"), { roomId: "leaving" });
  john.close();
  jane.close();
});

test("messages go to users in the same room only", async () => {
  const [john, jane] = [await connect("1", "John"), await connect("2", "Jane")];
  john.send("chat.join", { roomId: "here" });
  jane.send("chat.join", { roomId: "there" });
  await Promise.all([john.hears("chat.joined"), jane.hears("chat.joined")]);
  john.send("chat.message", { roomId: "here", message: "private", username: "John" });
  await john.hears("chat.message");
  jane.send("chat.message", { roomId: "there", message: "elsewhere", username: "Jane" });
  await jane.hears("chat.message");
  assert.ok(!jane.heard.some((frame) => frame.data?.message === "private"));
  john.close();
  jane.close();
});

test("error: an invalid message format is answered, and the session goes on", async () => {
  const john = await connect("1", "John");
  john.sendText("not json");
  assert.equal(typeof (await john.hears("error")).message, "string");
  john.send("chat.join", { roomId: "after-error" });
  await john.hears("chat.joined");
  john.close();
});

test("send system message: with the internal key everyone in the room hears chat.system", async () => {
  const john = await connect("1", "John");
  john.send("chat.join", { roomId: "maintenance" });
  await john.hears("chat.joined");
  const body = JSON.stringify({ roomId: "maintenance", message: "Server maintenance in 5 minutes" });
  const post = (headers) =>
    fetch(`${system.http}/send-system-message`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
  assert.equal((await post({})).status, 401);
  assert.equal((await post({ "x-internal-api-key": "wrong" })).status, 401);
  assert.equal((await post({ "x-internal-api-key": INTERNAL_API_KEY })).status, 200);
  const said = await john.hears("chat.system");
  holds(said, { roomId: "maintenance", message: "Server maintenance in 5 minutes" });
  assert.ok(!Number.isNaN(Date.parse(said.timestamp)));
  assert.equal(john.heard.filter((frame) => frame.event === "chat.system").length, 1);
  john.close();
});

test("system message to an unknown room: not_found", async () => {
  const answer = await fetch(`${system.http}/send-system-message`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-internal-api-key": INTERNAL_API_KEY },
    body: JSON.stringify({ roomId: "never made", message: "anybody?" }),
  });
  assert.equal(answer.status, 404);
  assert.equal((await answer.json()).code, "not_found");
});

test("connection stats: distinct connected users, attached or not", async () => {
  const stats = async (headers) => fetch(`${system.http}/stats`, { headers });
  assert.equal((await stats({})).status, 401);
  const users = async () => (await (await stats({ "x-internal-api-key": INTERNAL_API_KEY })).json()).connectedUsers;
  await until("those of before are gone", async () => (await users()) === 0);
  const clients = [await connect("a", "A"), await connect("a", "A"), await connect("b", "B")];
  await Promise.all(clients.map((client) => client.hears("chat.welcome")));
  await until("two people are counted", async () => (await users()) === 2);
  for (const client of clients) client.close();
});

test("authentication: without a valid cookie there is no session", async () => {
  for (const { ws } of system.edges) {
    assert.equal(await refusal(`${ws}/chat/ws`, { Cookie: "access_token=forged" }), 401);
  }
});

/** A client as a gateway hands it on, which has checked the person. */
function throughGateway(name, edge, headers) {
  return open(name, `${system.edges[edge].ws}/ws`, { "x-internal-api-key": INTERNAL_API_KEY, ...headers });
}

test("behind a gateway: /ws with x-internal-api-key is the same session, for the person of x-user-id", async () => {
  const jane = await throughGateway("Jane", 0, { "x-user-id": "2", "x-username": "Jane" });
  const john = await connect("1", "John");
  const nameless = await throughGateway("nameless", 1, { "x-user-id": "3" });
  for (const client of [jane, john, nameless]) {
    client.send("chat.join", { roomId: "gateway" });
    holds(await client.hears("chat.joined"), { roomId: "gateway" });
  }
  holds(await jane.hears("chat.userJoined", (data) => data.userId === "3"), { roomId: "gateway" });
  jane.send("chat.message", { roomId: "gateway", message: "through the gateway", username: "Forged" });
  nameless.send("chat.typing", { roomId: "gateway", username: "Forged", isTyping: true });
  for (const client of [jane, john, nameless]) {
    holds(await client.hears("chat.message"), { userId: "2", username: "Jane", message: "through the gateway" });
  }
  holds(await john.hears("chat.typing"), { userId: "3", username: "3", isTyping: true });
  for (const client of [jane, john, nameless]) client.close();
});

test("behind a gateway: the key is checked before anything else, and nobody comes without an id", async () => {
  for (const { ws } of system.edges) {
    const person = { "x-user-id": "2", "x-username": "Jane" };
    assert.equal(await refusal(`${ws}/ws`, person), 401);
    assert.equal(await refusal(`${ws}/ws`, { ...person, "x-internal-api-key": "wrong" }), 401);
    assert.equal(await refusal(`${ws}/ws`, { ...person, Cookie: `access_token=${await token("2", "Jane")}` }), 401);
    assert.ok([400, 401].includes(await refusal(`${ws}/ws`, { "x-internal-api-key": INTERNAL_API_KEY })));
  }
});

test("the gateway's headers mean nothing on the way without a key", async () => {
  const headers = { "x-user-id": "2", "x-username": "Jane", Cookie: `access_token=${await token("1", "John")}` };
  const john = await open("John", `${system.ws}/chat/ws`, headers);
  john.send("chat.join", { roomId: "who am I" });
  john.send("chat.message", { roomId: "who am I", message: "me" });
  holds(await john.hears("chat.message"), { userId: "1", username: "John" });
  john.close();
});

test("send system message and stats by curl, on either edge", async () => {
  const clients = [await connect("x", "X"), await connect("y", "Y")];
  const key = ["-H", `x-internal-api-key: ${INTERNAL_API_KEY}`];
  for (const client of clients) {
    client.send("chat.join", { roomId: "curl" });
    await client.hears("chat.joined");
  }
  for (const [edge, { http }] of system.edges.entries()) {
    const body = { roomId: "curl", message: `System message ${edge}` };
    assert.equal((await postJson(`${http}/send-system-message`, body, ...key)).status, 200);
    for (const client of clients) await client.hears("chat.system", ({ message }) => message === body.message);
    await until("both are counted", async () => (await curl(...key, `${http}/stats`)).json.connectedUsers === 2);
  }
  for (const client of clients) client.close();
});
