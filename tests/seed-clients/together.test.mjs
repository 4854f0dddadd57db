// One room, people on clients of different documents, on two edges: everybody reads everybody, once, in one order.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { postJson } from "./curl.mjs";
import { closeAll, connect } from "./socketio-client.mjs";
import { INTERNAL_API_KEY, start, token } from "./system.mjs";
import { connect as connectWebSocket } from "./websocket-client.mjs";

const MESSAGES_EACH = 10;
let system;
let clients = [];

before(async () => (system = await start()));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
});

/**
 * A person in a room on each document's client, under one face: `say(text)`, and `read(count)`, which waits for so many
 * messages and gives `{ from, text }` of each; `from` is undefined where the document names no sender.
 */
const ENTER = {
  async "000 by Socket.IO"(userId, edge) {
    const client = await connect(userId, system.edges[edge].http);
    return person(
      client,
      "receiveMessage",
      (data) => ({ text: data }),
      (text) => ["sendMessage", text],
    );
  },

  async "001 by Socket.IO"(userId, edge, roomId) {
    return seed001(await connect(userId, system.edges[edge].http), userId, roomId);
  },

  async "001 by WebSocket"(userId, edge, roomId) {
    return seed001(await connectWebSocket(userId, system.edges[edge].ws), userId, roomId);
  },

  async "002"(userId, edge, roomId) {
    const client = await connect(userId, `${system.edges[edge].http}/chat`, { query: { userId } });
    const [conversation, sender] = [roomId, userId].map((id) => (/^\d+$/.test(id) ? Number(id) : id));
    client.send("join-conversation", { conversationId: conversation, userId: sender });
    await client.hears("joined-conversation");
    const read = ({ sender_id, content, conversation_id }) => {
      assert.strictEqual(conversation_id, conversation);
      return { from: String(sender_id), text: content };
    };
    const write = (content) => [
      "send-message",
      { sender_id: sender, conversation_id: conversation, message_type: "text", content },
    ];
    return person(client, "receive-message", read, write);
  },

  async "004"(userId, edge, roomId) {
    const headers = { Cookie: `access_token=${await token(userId, `name of ${userId}`)}` };
    return seed004(await connectWebSocket(userId, `${system.edges[edge].ws}/chat/ws`, headers), roomId);
  },

  async "004 behind a gateway"(userId, edge, roomId) {
    const headers = { "x-internal-api-key": INTERNAL_API_KEY, "x-user-id": userId, "x-username": `name of ${userId}` };
    return seed004(await connectWebSocket(userId, `${system.edges[edge].ws}/ws`, headers), roomId);
  },
};

async function seed001(client, userId, roomId) {
  client.send("authenticate", { userId, username: `name of ${userId}` });
  client.send("join_room", { roomId });
  await client.hears("room_users");
  const read = ({ userId, message, ...data }) => {
    assert.equal(data.roomId, roomId);
    return { from: userId, name: data.username, text: message };
  };
  return person(client, "new_message", read, (message) => ["send_message", { roomId, message }]);
}

async function seed004(client, roomId) {
  client.send("chat.join", { roomId });
  await client.hears("chat.joined");
  const read = ({ userId, message, ...data }) => {
    assert.equal(data.roomId, roomId);
    return { from: userId, name: data.username, text: message };
  };
  const write = (message) => ["chat.message", { roomId, message, username: "Somebody Else" }];
  return person(client, "chat.message", read, write);
}

function person(client, event, read, write) {
  clients.push(client);
  return {
    client,
    say: (text) => client.send(...write(text)),
    read: async (count) => (await client.hearsMany(event, count)).map(read),
    count: () => client.all(event).length,
  };
}

/** Everybody enters, on the two edges in turn; everybody says their part at the same time; all of it is compared. */
async function allReadAll(roomId, entrants) {
  const people = [];
  for (const [index, [kind, userId]] of entrants.entries()) {
    people.push({ kind, userId, ...(await ENTER[kind](userId, index % 2, roomId)) });
  }
  for (let number = 1; number <= MESSAGES_EACH; number += 1) {
    for (const { userId, say } of people) say(`${userId} says ${number}`);
  }
  const total = people.length * MESSAGES_EACH;
  const [reference] = await Promise.all(people.map(({ read }) => read(total)));
  const order = reference.map(({ text }) => text);
  assert.equal(new Set(order).size, total, "each once");
  for (const { kind, userId, read } of people) {
    const said = await read(total);
    assert.deepEqual(
      said.map(({ text }) => text),
      order,
      `${userId} on ${kind} reads the same, in the same order`,
    );
    for (const { from, name, text } of said) {
      const speaker = people.find(({ userId }) => text.startsWith(`${userId} says `));
      // 000 names no sender, neither its own nor to its own.
      if (from === undefined || speaker.kind.startsWith("000")) continue;
      assert.equal(from, speaker.userId, `${text} on ${kind}`);
      const named = speaker.kind === "002" ? speaker.userId : `name of ${speaker.userId}`;
      if (name !== undefined) assert.equal(name, named, `${text} on ${kind}`);
    }
    const own = said.filter(({ text }) => text.startsWith(`${userId} says `)).map(({ text }) => text);
    assert.deepEqual(own, numbered(userId), "one's own, in the order in which they were said");
  }
  // A last word: whatever would come a second time would come before it.
  people[0].say("the last word");
  for (const { kind, read, count } of people) {
    assert.equal((await read(total + 1)).at(-1).text, "the last word");
    assert.equal(count(), total + 1, `nothing came twice on ${kind}`);
  }
  return { people, order };
}

function numbered(userId) {
  return Array.from({ length: MESSAGES_EACH }, (_, index) => `${userId} says ${index + 1}`);
}

test("lobby: 000, 001 on both transports, 002, 004 on both ways; two of each, on both edges", async () => {
  const kinds = Object.keys(ENTER);
  const entrants = [...kinds.entries()].flatMap(([index, kind]) => [
    [kind, `p${index}a`],
    [kind, `p${index}b`],
  ]);
  await allReadAll("lobby", entrants);
});

test("conversation 5 is room '5'; ids of 002 go out as numbers", async () => {
  const entrants = [
    ["002", "1"],
    ["001 by Socket.IO", "2"],
    ["004", "3"],
    ["001 by WebSocket", "4"],
    ["004 behind a gateway", "5"],
    ["002", "6"],
  ];
  const { people, order } = await allReadAll("5", entrants);

  const late = await ENTER["001 by Socket.IO"]("late", 1, "5");
  const history = await late.client.hears("message_history");
  const last = [...order, "the last word"].slice(-history.length);
  assert.deepEqual(
    history.map(({ message }) => message),
    last,
    "history is in that order as well",
  );
  assert.ok(history.length >= 50);

  const seen = people[0].client.all("receive-message").map(({ sender_id }) => sender_id);
  assert.deepEqual([...new Set(seen)].sort(), [1, 2, 3, 4, 5, 6]);
});

test("who comes, goes and types is told to everybody in their own words", async () => {
  const roomId = "9";
  const two = await ENTER["002"]("1", 0, roomId);
  const raw = await ENTER["001 by WebSocket"]("2", 1, roomId);
  const native = await ENTER["004"]("3", 0, roomId);
  assert.equal((await two.client.hears("user:online", ({ userId }) => userId === 2)).userId, 2);
  await two.client.hears("user:online", ({ userId }) => userId === 3);
  await raw.client.hears("user_joined", ({ userId }) => userId === "3");

  native.client.send("chat.typing", { roomId, username: "whoever", isTyping: true });
  await two.client.hears(
    "user-typing",
    ({ userId, conversationId, isTyping }) => userId === 3 && conversationId === 9 && isTyping,
  );
  await raw.client.hears(
    "user_typing",
    ({ userId, username, isTyping }) => userId === "3" && username === "name of 3" && isTyping,
  );
  two.client.send("typing", { conversationId: 9, userId: 1, isTyping: true });
  await raw.client.hears("user_typing", ({ userId, isTyping }) => userId === "1" && isTyping);
  await native.client.hears("chat.typing", ({ userId, isTyping }) => userId === "1" && isTyping);
  raw.client.send("typing", { roomId, isTyping: true });
  await two.client.hears("user-typing", ({ userId }) => userId === 2);
  await native.client.hears("chat.typing", ({ userId }) => userId === "2");

  raw.client.close();
  await two.client.hears("user:offline", ({ userId }) => userId === 2);
  await native.client.hears("chat.userLeft", ({ userId }) => userId === "2");
  two.client.close();
  await native.client.hears("chat.userLeft", ({ userId }) => userId === "1");
});

test("a system message is read on every kind of client", async () => {
  const everybody = {};
  for (const [index, kind] of Object.keys(ENTER).entries())
    everybody[kind] = await ENTER[kind](`s${index}`, index % 2, "lobby");
  const body = { roomId: "lobby", message: "Server maintenance in 5 minutes" };
  const answer = await postJson(
    `${system.http}/send-system-message`,
    body,
    "-H",
    `x-internal-api-key: ${INTERNAL_API_KEY}`,
  );
  assert.equal(answer.status, 200);
  const { message } = body;
  await everybody["000 by Socket.IO"].client.hears("receiveMessage", (data) => data === message);
  for (const kind of ["001 by Socket.IO", "001 by WebSocket"]) {
    await everybody[kind].client.hears(
      "new_message",
      (data) => data.message === message && data.messageType === "system",
    );
  }
  const isSystem = (data) => data.content === message && data.message_type === "system";
  await everybody["002"].client.hears("receive-message", isSystem);
  for (const kind of ["004", "004 behind a gateway"]) {
    await everybody[kind].client.hears("chat.system", (data) => data.message === message);
  }
});

test("a pair of 003 is read by its other half on any kind of client", async () => {
  const [ann, ben] = ["pair-ann", "pair-ben"];
  const jwt = { [ann]: await token(ann, "Ann"), [ben]: await token(ben, "Ben") };
  const a = await connect(ann, system.edges[0].http, { auth: { token: jwt[ann] } });
  clients.push(a);
  for (const text of ["one", "two", "three"]) await a.asks("sendMessage", { sender: ann, receiver: ben, text });

  const native = await connectWebSocket(ben, `${system.edges[1].ws}/chat/ws`, { Cookie: `access_token=${jwt[ben]}` });
  clients.push(native);
  const asked = (id, event, data) => native.sendText(JSON.stringify({ event, id, data }));
  asked("rooms", "chat.rooms", {});
  const { rooms } = await native.hears("ack", ({ rooms }) => rooms);
  assert.equal(rooms.length, 1);
  const [{ roomId, type }] = rooms;
  assert.equal(type, "direct");
  assert.match(roomId, /^~d/);
  asked("history", "chat.history", { roomId, limit: 50 });
  const { events } = await native.hears("ack", ({ events }) => events);
  const said = events.filter(({ event }) => event === "chat.message").map(({ data }) => [data.userId, data.message]);
  assert.deepEqual(said, [
    [ann, "one"],
    [ann, "two"],
    [ann, "three"],
  ]);

  const seed001 = await connect(ben, system.edges[1].http);
  const raw = await connectWebSocket(ben, system.edges[0].ws);
  clients.push(seed001, raw);
  for (const client of [seed001, raw]) {
    client.send("authenticate", { token: jwt[ben] });
    client.send("join_room", { roomId });
    const history = await client.hears("message_history");
    assert.deepEqual(
      history.map(({ userId, message }) => [userId, message]),
      said,
    );
  }
  const seed002 = await connect(ben, `${system.edges[0].http}/chat`, { auth: { token: jwt[ben] } });
  clients.push(seed002);
  seed002.send("join-conversation", { conversationId: roomId, userId: ben });
  await seed002.hears("joined-conversation");
  native.send("chat.join", { roomId });
  await native.hears("chat.joined");

  await a.asks("sendMessage", { sender: ann, receiver: ben, text: "four" });
  assert.equal((await native.hears("chat.message")).message, "four");
  for (const client of [seed001, raw]) assert.equal((await client.hears("new_message")).message, "four");
  assert.equal((await seed002.hears("receive-message")).content, "four");

  native.send("chat.message", { roomId, message: "by 004" });
  await a.hears("receiveMessage", ({ text }) => text === "by 004");
  seed001.send("send_message", { roomId, message: "by 001" });
  await a.hears("receiveMessage", ({ text }) => text === "by 001");
  seed002.send("send-message", { sender_id: ben, conversation_id: roomId, message_type: "text", content: "by 002" });
  await a.hears("receiveMessage", ({ text }) => text === "by 002");
  for (const message of a.all("receiveMessage")) assert.deepEqual([message.sender, message.receiver], [ben, ann]);
});

test("a direct room is nobody else's, on any kind of client", async () => {
  const a = await connect("priv-ann", system.http, { auth: { token: await token("priv-ann", "Ann") } });
  clients.push(a);
  await a.asks("sendMessage", { sender: "priv-ann", receiver: "priv-ben", text: "between us" });
  const cookie = { Cookie: `access_token=${await token("priv-ben", "Ben")}` };
  const ben = await connectWebSocket("ben", `${system.ws}/chat/ws`, cookie);
  clients.push(ben);
  ben.sendText(JSON.stringify({ event: "chat.rooms", id: "rooms", data: {} }));
  const [{ roomId }] = (await ben.hears("ack")).rooms;

  const eve001 = await connect("eve", system.http);
  eve001.send("authenticate", { userId: "eve", username: "Eve" });
  eve001.send("join_room", { roomId });
  const eve002 = await connect("eve", `${system.http}/chat`, { query: { userId: "eve" } });
  eve002.send("join-conversation", { conversationId: roomId, userId: "eve" });
  clients.push(eve001, eve002);
  for (const eve of [eve001, eve002]) {
    assert.equal(typeof (await eve.hears("error")).message, "string");
    assert.ok(!JSON.stringify(eve.heard).includes("between us"));
    assert.deepEqual([...eve.all("message_history"), ...eve.all("joined-conversation")], []);
  }
});
