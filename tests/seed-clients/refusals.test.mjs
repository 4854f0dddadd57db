// As an operator runs it: no client names itself. Without a token each client gets its document's error and nothing
// else; with one, no name but the token's is believed.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { curl } from "./curl.mjs";
import { until } from "./deadline.mjs";
import { closeAll, connect, open } from "./socketio-client.mjs";
import { INTERNAL_API_KEY, start, token } from "./system.mjs";
import { operatorToken } from "./token.mjs";
import { connect as connectWebSocket, refusal } from "./websocket-client.mjs";

const NOT_AUTHENTICATED = "Not authenticated";
let system;
let clients = [];
/** Each test has a room of its own; a number, so that it is a conversation as well. */
let room = 200;

before(async () => (system = await start({ trusted: false })));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
  room += 1;
});

async function socketIo(name, edge, path = "", options = {}) {
  const client = await connect(name, `${system.edges[edge].http}${path}`, options);
  clients.push(client);
  return client;
}

async function webSocket(name, edge, path = "", headers = {}) {
  const client = await connectWebSocket(name, `${system.edges[edge].ws}${path}`, headers);
  clients.push(client);
  return client;
}

/** Somebody with a token who is in the room, and whom the refused ones should neither hear nor reach. */
async function neighbour(roomId, edge = 1) {
  const headers = { Cookie: `access_token=${operatorToken("neighbour", "Neighbour")}` };
  const client = await webSocket("neighbour", edge, "/chat/ws", headers);
  client.send("chat.join", { roomId });
  await client.hears("chat.joined");
  return client;
}

/** Sends all of it; each is answered by the documented error, and nothing else is heard, also not what others say. */
async function refused(client, roomId, events) {
  const other = await neighbour(roomId);
  for (const [event, data] of events) client.send(event, data);
  const said = { roomId, message: "for those who may" };
  other.send("chat.message", said);
  await other.hears("chat.message", ({ message }) => message === said.message);
  await client.hearsMany("error", events.length);
  client.send(...events[0]);
  await client.hearsMany("error", events.length + 1);
  const heard = client.heard.filter(({ event }) => event !== "connect");
  assert.equal(heard.length, events.length + 1, JSON.stringify(heard));
  for (const { event, data } of heard) {
    assert.equal(event, "error");
    assert.equal(data.message, NOT_AUTHENTICATED);
  }
  const reached = other.heard.filter(({ event }) => !["chat.welcome", "chat.joined"].includes(event));
  assert.deepEqual(
    reached.map(({ data }) => data.message),
    [said.message],
    "nobody noticed the refused one",
  );
}

test("000 without a token: Not authenticated, and nothing of what others say", async () => {
  const client = await socketIo("nobody", 0);
  await refused(client, "lobby", [
    ["sendMessage", "Hello"],
    ["sendMessage", { text: "Hello" }],
  ]);
});

const events001 = (roomId) => [
  ["authenticate", { userId: "neighbour", username: "Neighbour" }],
  ["join_room", { roomId }],
  ["send_message", { roomId, message: "Hello" }],
  ["typing", { roomId, isTyping: true }],
  ["leave_room", { roomId }],
];

test("001 without a token, by Socket.IO: Not authenticated, to authenticate too", async () => {
  await refused(await socketIo("nobody", 0), `${room}`, events001(`${room}`));
});

test("001 without a token, by WebSocket: Not authenticated, to authenticate too", async () => {
  await refused(await webSocket("nobody", 0), `${room}`, events001(`${room}`));
});

test("001 with a token in authenticate that does not hold: refused, whatever name comes with it", async () => {
  for (const client of [await socketIo("forger", 0), await webSocket("forger", 1)]) {
    for (const jwt of ["forged", await token("neighbour"), operatorToken("neighbour", "Neighbour", { exp: 1 })]) {
      client.forget();
      client.send("authenticate", { token: jwt, userId: "neighbour", username: "Neighbour" });
      client.send("join_room", { roomId: `${room}` });
      await client.hearsMany("error", 2);
      assert.equal(client.all("error")[1].message, NOT_AUTHENTICATED);
      assert.deepEqual(client.all("message_history"), []);
    }
  }
});

test("002 with a userId alone: Not authenticated", async () => {
  const client = await socketIo("nobody", 0, "/chat", { query: { userId: 1 } });
  await refused(client, `${room}`, [
    ["join-conversation", { conversationId: room, userId: 1 }],
    ["send-message", { sender_id: 1, conversation_id: room, message_type: "text", content: "Hello" }],
    ["typing", { conversationId: room, userId: 1, isTyping: true }],
    ["leave-conversation", { conversationId: room }],
  ]);
});

test("003 without a token: Not authenticated; with one that does not hold: connect_error", async () => {
  const client = await socketIo("nobody", 0);
  await refused(client, `${room}`, [["sendMessage", { sender: "neighbour", receiver: "somebody", text: "Hello" }]]);
  const wrong = [
    "forged",
    await token("neighbour"),
    operatorToken("neighbour", "Neighbour", { exp: 1 }),
    operatorToken("neighbour", "Neighbour", { aud: "another" }),
  ];
  for (const path of ["", "/chat"]) {
    for (const jwt of wrong) {
      const forger = open("forger", `${system.http}${path}`, { auth: { token: jwt }, reconnection: false });
      clients.push(forger);
      await forger.hears("connect_error");
      assert.deepEqual(forger.all("connect"), []);
    }
  }
});

test("004 without a token: refused, or told so; /ws without the key: refused", async () => {
  const client = await webSocket("nobody", 0, "/chat/ws");
  client.send("chat.join", { roomId: `${room}` });
  client.send("chat.message", { roomId: `${room}`, message: "Hello", username: "Neighbour" });
  for (const { code } of await client.hearsMany("error", 2)) assert.equal(code, "not_authenticated");
  assert.deepEqual(client.all("chat.joined"), []);
  assert.equal(await refusal(`${system.ws}/chat/ws`, { Cookie: `access_token=${await token("neighbour")}` }), 401);
  assert.equal(await refusal(`${system.ws}/ws`, { "x-user-id": "neighbour", "x-username": "Neighbour" }), 401);
  assert.equal((await curl(`${system.http}/stats`)).status, 401);
});

test("the demonstration's code is not valid here", async () => {
  const json = ["-X", "POST", "-H", "Content-Type: application/json", "-d"];
  const account = { username: "not-in-dev", password: "correct horse battery staple" };
  await curl(...json, JSON.stringify(account), `${system.http}/auth/register`);
  const verify = await curl(
    ...json,
    JSON.stringify({ username: account.username, otp: "123456" }),
    `${system.http}/auth/verify`,
  );
  assert.ok(verify.status >= 400, `${verify.status}`);
  const login = await curl(...json, JSON.stringify(account), `${system.http}/auth/login`);
  assert.ok(login.status >= 400, `${login.status}`);
  assert.equal(login.json?.token, undefined);
});

test("000 with a token speaks under the token's name", async () => {
  const other = await neighbour("lobby");
  for (const extraHeaders of [
    { Cookie: `access_token=${operatorToken("jane", "Jane")}` },
    { Authorization: `Bearer ${operatorToken("jane", "Jane")}` },
  ]) {
    other.forget();
    const jane = await socketIo("jane", 0, "", { extraHeaders });
    jane.send("sendMessage", "by Jane");
    assert.equal(await jane.hears("receiveMessage"), "by Jane");
    const { userId, username } = await other.hears("chat.message");
    assert.deepEqual([userId, username], ["jane", "Jane"]);
    jane.close();
  }
});

test("001 with a token: a forged userId or username is never believed", async () => {
  const roomId = `${room}`;
  const other = await neighbour(roomId);
  const jwt = operatorToken("jane", "Jane");
  const ways = [
    await socketIo("in auth", 0, "", { auth: { token: jwt } }),
    await socketIo("in a cookie", 1, "", { extraHeaders: { Cookie: `access_token=${jwt}` } }),
    await socketIo("in a header", 0, "", { extraHeaders: { Authorization: `Bearer ${jwt}` } }),
    await webSocket("in a cookie", 1, "", { Cookie: `access_token=${jwt}` }),
    await webSocket("in a header", 0, "", { Authorization: `Bearer ${jwt}` }),
    await socketIo("in authenticate", 1),
    await webSocket("in authenticate", 0),
  ];
  for (const [index, client] of ways.entries()) {
    const inData = client.name === "in authenticate" ? { token: jwt } : {};
    client.send("authenticate", { userId: "neighbour", username: "Neighbour", ...inData });
    client.send("join_room", { roomId });
    const users = await client.hears("room_users");
    assert.deepEqual(users.map(({ userId }) => userId).sort(), ["jane", "neighbour"]);
    client.send("send_message", { roomId, message: `${index}`, userId: "neighbour", username: "Neighbour" });
    const heard = [await other.hears("chat.message", ({ message }) => message === `${index}`)];
    heard.push(await client.hears("new_message", ({ message }) => message === `${index}`));
    for (const { userId, username } of heard) assert.deepEqual([userId, username], ["jane", "Jane"]);
    assert.deepEqual(client.all("error"), [], "an unchanged client says its name and is not refused for it");
  }
});

test("002 with a token: a forged sender_id is message-error, a forged userId is never shown to anybody", async () => {
  const other = await neighbour(`${room}`);
  const jwt = operatorToken("7", "Seven");
  const seven = await socketIo("seven", 0, "/chat", { auth: { token: jwt }, query: { userId: "neighbour" } });
  seven.send("join-conversation", { conversationId: room, userId: "neighbour" });
  seven.send("join-conversation", { conversationId: room, userId: 7 });
  await seven.hears("joined-conversation");
  seven.send("typing", { conversationId: room, userId: "neighbour", isTyping: true });
  for (const sender_id of ["neighbour", 8]) {
    seven.send("send-message", { sender_id, conversation_id: room, message_type: "text", content: "forged" });
  }
  for (const { error } of await seven.hearsMany("message-error", 2)) assert.equal(typeof error, "string");
  seven.send("send-message", { sender_id: 7, conversation_id: room, message_type: "text", content: "mine" });
  const { userId, username, message } = await other.hears("chat.message");
  assert.deepEqual([userId, username, message], ["7", "Seven", "mine"]);
  assert.strictEqual((await seven.hears("receive-message")).sender_id, 7);
  const shown = other.heard.filter(({ event }) => ["chat.typing", "chat.userJoined"].includes(event));
  for (const { data } of shown) assert.equal(data.userId, "7");
});

test("003 with a token: a forged sender is never believed", async () => {
  const [ann, ben] = ["ann", "ben"].map((name) => ({ auth: { token: operatorToken(name) } }));
  const [a, b] = [await socketIo("ann", 0, "", ann), await socketIo("ben", 1, "", ben)];
  a.send("sendMessage", { sender: "mallory", receiver: "ben", text: "forged" });
  a.send("sendMessage", { sender: "ben", receiver: "ben", text: "forged" });
  a.send("sendMessage", { sender: "ann", receiver: "ben", text: "mine" });
  await b.hears("receiveMessage", ({ text }) => text === "mine");
  for (const { sender, receiver } of b.all("receiveMessage")) assert.deepEqual([sender, receiver], ["ann", "ben"]);
  const forged = b.all("receiveMessage", ({ text }) => text === "forged").length;
  await until(
    "each forged one is refused or delivered under the true name",
    () => a.all("error").length + forged === 2,
  );
});

test("004 with a token: a forged username or userId is never believed, nor headers of a gateway without its key", async () => {
  const roomId = `${room}`;
  const other = await neighbour(roomId);
  const cookie = {
    Cookie: `access_token=${operatorToken("jane", "Jane")}`,
    "x-user-id": "neighbour",
    "x-username": "Neighbour",
  };
  const jane = await webSocket("jane", 0, "/chat/ws", cookie);
  const key = { "x-internal-api-key": INTERNAL_API_KEY, "x-user-id": "jane", "x-username": "Jane" };
  const gateway = await webSocket("jane", 1, "/ws", { ...key, Cookie: `access_token=${operatorToken("mallory")}` });
  for (const [index, client] of [jane, gateway].entries()) {
    client.send("chat.join", { roomId });
    client.send("chat.message", { roomId, message: `${index}`, username: "Neighbour" });
    const { userId, username } = await other.hears("chat.message", ({ message }) => message === `${index}`);
    assert.deepEqual([userId, username], ["jane", "Jane"]);
  }
});
