// What no client should send: each piece gets the documented error, once; the connection lives on, and nobody else
// notices.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { io } from "socket.io-client";

import { until } from "./deadline.mjs";
import { closeAll, connect, listen } from "./socketio-client.mjs";
import { start, token } from "./system.mjs";
import { connect as connectWebSocket } from "./websocket-client.mjs";

/** More than a frame may have, less than where the older services closed the connection. */
const HUGE = "x".repeat(100_000);
/** Long, and still allowed. */
const LONG = "ü".repeat(10_000);
const BINARY = Buffer.from([0, 255, 1, 254]);
let system;
let clients = [];
let room = 300;

before(async () => (system = await start()));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
  room += 1;
});

async function keep(connecting) {
  const client = await connecting;
  clients.push(client);
  return client;
}

/** Each event is answered by `answer`, once and with a text; then what is good still works, and `other` heard only that. */
async function survives(client, bad, { answer = () => "error", good, hears, other }) {
  for (const [event, ...args] of bad) {
    const name = answer(event);
    const before = client.all(name).length;
    client.send(event, ...args);
    const what = `${event} ${show(args)} is answered by ${name}`;
    await until(what, () => client.all(name).length > before);
    const data = client.all(name).at(-1);
    assert.equal(typeof (name === "message-error" ? data.error : data.message), "string", what);
  }
  const answers = ["error", "message-error"].flatMap((name) => client.all(name));
  assert.equal(answers.length, bad.length, `one answer each: ${JSON.stringify(answers)}`);
  client.send(...good);
  for (const each of [client, other]) {
    const [heard] = await each.hearsMany(hears, 1);
    assert.ok(JSON.stringify(heard).includes("good"), `the first that is heard is what is good: ${show(heard)}`);
  }
  assert.deepEqual(
    [client, other].flatMap((each) => each.all("disconnect")),
    [],
  );
}

function show(value) {
  return JSON.stringify(value)?.slice(0, 200);
}

/** What is no id of a room. */
const NO_IDS = ["", "x".repeat(65), "a\u0000b", "a\nb", null, true, {}, [], ["a"], { toString: "a" }, 1.5, -1];
/** What is no text. */
const NO_TEXTS = ["", 5, null, true, [], {}, ["text"], { text: "text" }];
/** What is no data of any event. */
const NO_DATA = [undefined, null, 5, true, "text", [], "", [{ roomId: "x" }]];

test("000", async () => {
  const [client, other] = [await keep(connect("one", system.http)), await keep(connect("two", system.edges[1].http))];
  const bad = [undefined, null, 5, true, "", BINARY, { picture: BINARY }, { a: [{ b: BINARY }] }];
  await survives(client, [...bad.map((data) => ["sendMessage", data]), ["sendMessage"], ["no_such_event", "text"]], {
    good: ["sendMessage", "good"],
    hears: "receiveMessage",
    other,
  });
});

for (const transport of ["Socket.IO", "WebSocket"]) {
  const open = (edge) =>
    transport === "Socket.IO"
      ? connect("member", system.edges[edge].http)
      : connectWebSocket("member", system.edges[edge].ws);

  test(`001 by ${transport}`, async () => {
    const roomId = `${room}`;
    const [client, other] = [await keep(open(0)), await keep(open(1))];
    for (const each of [client, other]) {
      each.send("authenticate", { userId: each === client ? "one" : "two", username: "name" });
      each.send("join_room", { roomId });
      await each.hears("room_users");
    }
    const bad = [
      ...NO_DATA.flatMap((data) => ["join_room", "leave_room", "send_message", "typing"].map((event) => [event, data])),
      ...NO_IDS.map((id) => ["join_room", { roomId: id }]),
      ...NO_TEXTS.map((message) => ["send_message", { roomId, message }]),
      ...["yes", 1, null, {}].map((isTyping) => ["typing", { roomId, isTyping }]),
      ...["system", "poll", 5, null].map((messageType) => ["send_message", { roomId, message: "text", messageType }]),
      ["send_message", { roomId: "not-joined", message: "text" }],
      ["send_message", { message: "no room" }],
      ["no_such_event", { roomId }],
      ["chat.join", { roomId }],
      ["receiveMessage", "of the server's own"],
    ];
    if (transport === "Socket.IO") {
      bad.push(
        ["send_message", { roomId, message: BINARY }],
        ["send_message", BINARY],
        ["typing", { roomId, isTyping: BINARY }],
      );
    }
    await survives(client, bad, { good: ["send_message", { roomId, message: "good" }], hears: "new_message", other });
  });
}

test("001: who somebody is must be said in words", async () => {
  const bad = [
    {},
    { userId: "" },
    { userId: {} },
    { userId: null },
    { userId: "x".repeat(65) },
    { userId: "~system" },
    { username: "John" },
  ];
  bad.push({ userId: "john", username: {} }, ...NO_DATA);
  for (const open of [() => connect("nobody", system.http), () => connectWebSocket("nobody", system.ws)]) {
    const client = await keep(open());
    for (const [index, data] of bad.entries()) {
      client.send("authenticate", data);
      await client.hearsMany("error", index + 1);
    }
    client.send("join_room", { roomId: `${room}` });
    assert.equal((await client.hearsMany("error", bad.length + 1)).at(-1).message, "Not authenticated");
    client.send("authenticate", { userId: "john", username: "John" });
    client.send("join_room", { roomId: `${room}` });
    await client.hears("room_users");
  }
});

test("001 by WebSocket: what is no frame", async () => {
  const client = await keep(connectWebSocket("raw", system.ws));
  const bad = [
    "",
    "not json",
    "{",
    "[]",
    "5",
    "null",
    '"text"',
    "{}",
    '{"event":5}',
    '{"event":null,"data":{}}',
    '{"event":["join_room"]}',
  ];
  bad.push('{"event":""}', '{"event":"authenticate","event":"join_room","data":{}}', BINARY, "[".repeat(10_000));
  for (const [index, text] of bad.entries()) {
    client.sendText(text);
    assert.equal(typeof (await client.hearsMany("error", index + 1)).at(-1).message, "string", show(text));
  }
  client.send("authenticate", { userId: "raw", username: "raw" });
  client.send("join_room", { roomId: `${room}` });
  await client.hears("room_users");
  assert.equal(client.all("error").length, bad.length);
  assert.deepEqual(client.all("close"), []);
});

test("002", async () => {
  const user = (userId, { http }) => keep(connect(`user ${userId}`, `${http}/chat`, { query: { userId } }));
  const [one, two] = [await user(1, system.edges[0]), await user(2, system.edges[1])];
  for (const [index, each] of [one, two].entries()) {
    each.send("join-conversation", { conversationId: room, userId: index + 1 });
    await each.hears("joined-conversation");
  }
  const message = { sender_id: 1, conversation_id: room, message_type: "text", content: "text" };
  const bad = [
    ...NO_DATA.flatMap((data) =>
      ["join-conversation", "leave-conversation", "typing", "send-message"].map((event) => [event, data]),
    ),
    ...NO_IDS.map((conversationId) => ["join-conversation", { conversationId, userId: 1 }]),
    ...NO_IDS.map((conversation_id) => ["send-message", { ...message, conversation_id }]),
    ...NO_TEXTS.map((content) => ["send-message", { ...message, content }]),
    ...[null, {}, [], "", true, "2", 2].map((sender_id) => ["send-message", { ...message, sender_id }]),
    ...["poll", "system", 5, null].map((message_type) => ["send-message", { ...message, message_type }]),
    ...["yes", 1, null].map((isTyping) => ["typing", { conversationId: room, userId: 1, isTyping }]),
    ["send-message", { ...message, conversation_id: 987654 }],
    ["send-message", { ...message, content: BINARY }],
    ["send-message", BINARY],
    ["no-such-event", {}],
  ];
  await survives(one, bad, {
    answer: (event) => (event === "send-message" ? "message-error" : "error"),
    good: ["send-message", { ...message, content: "good" }],
    hears: "receive-message",
    other: two,
  });
});

test("003", async () => {
  const [ann, ben] = [`ann-${room}`, `ben-${room}`];
  const client = await keep(connect(ann, system.http, { auth: { token: await token(ann) } }));
  const other = await keep(connect(ben, system.edges[1].http, { auth: { token: await token(ben) } }));
  const message = { sender: ann, receiver: ben, text: "text" };
  const bad = [
    ...NO_DATA.map((data) => ["sendMessage", data]),
    ...NO_IDS.map((receiver) => ["sendMessage", { ...message, receiver }]),
    ...NO_TEXTS.map((text) => ["sendMessage", { ...message, text }]),
    ["sendMessage", { sender: ann, text: "to nobody" }],
    ["sendMessage", { ...message, receiver: "~system" }],
    ["sendMessage", { ...message, text: BINARY }],
    ["no_such_event", message],
  ];
  for (const [event, ...args] of bad) {
    client.send(event, ...args);
  }
  await client.hearsMany("error", bad.length);
  client.send("sendMessage", { ...message, text: "good" });
  assert.equal((await other.hears("receiveMessage")).text, "good");
  assert.equal(client.all("error").length, bad.length);
  assert.deepEqual(
    [client, other].flatMap((each) => each.all("disconnect")),
    [],
  );
});

test("a long text comes through whole, on every kind of client", async () => {
  const guest = await keep(connect("guest", system.http));
  guest.send("sendMessage", LONG);
  assert.equal(await guest.hears("receiveMessage"), LONG);
  const raw = await keep(connectWebSocket("raw", system.ws));
  raw.send("authenticate", { userId: "raw", username: "raw" });
  raw.send("join_room", { roomId: `${room}` });
  raw.send("send_message", { roomId: `${room}`, message: LONG });
  assert.equal((await raw.hears("new_message")).message, LONG);
  const user = await keep(connect("user 1", `${system.http}/chat`, { query: { userId: 1 } }));
  user.send("join-conversation", { conversationId: room, userId: 1 });
  user.send("send-message", { sender_id: 1, conversation_id: room, message_type: "text", content: LONG });
  assert.equal((await user.hears("receive-message")).content, LONG);
});

test("a huge text is refused; its sender goes on, by itself, and the others never notice", async () => {
  const roomId = `${room}`;
  /** Enters again whenever it connects, as the document's program does. */
  const member = async (userId, edge) => {
    const socket = io(system.edges[edge].http, { forceNew: true });
    const client = await keep(listen(userId, socket));
    socket.on("connect", () => {
      socket.emit("authenticate", { userId, username: userId });
      socket.emit("join_room", { roomId });
    });
    await client.hears("room_users");
    return client;
  };
  const [one, two] = [await member("one", 0), await member("two", 0)];
  for (const data of [{ roomId, message: HUGE }, { roomId: HUGE, message: "text" }, HUGE]) {
    one.forget();
    one.send("send_message", data);
    await until("an error, or a new connection", () => one.all("error").length > 0 || one.all("room_users").length > 0);
  }
  one.send("send_message", { roomId, message: "good" });
  assert.equal((await two.hears("new_message")).message, "good");
  assert.deepEqual(two.all("disconnect"), []);
});

test("a huge frame on a plain WebSocket: an error, or close 1009; the others never notice", async () => {
  const roomId = `${room}`;
  const member = async (name) => {
    const client = await keep(connectWebSocket(name, system.ws));
    client.send("authenticate", { userId: name, username: name });
    client.send("join_room", { roomId });
    await client.hears("room_users");
    return client;
  };
  const [one, two] = [await member("one"), await member("two")];
  one.send("send_message", { roomId, message: HUGE });
  await until("an error or a close", () => one.all("error").length > 0 || one.all("close").length > 0);
  for (const code of one.all("close")) assert.equal(code, 1009);
  const again = await member("again");
  again.send("send_message", { roomId, message: "good" });
  assert.equal((await two.hears("new_message")).message, "good");
});
