// Seed 001: Socket.IO and raw WebSocket, its own program, wscat's lines and curl, on two edges. `001.md` has the list.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { connect as connectBroker } from "@nats-io/transport-node";
import { io } from "socket.io-client";

import { curl, postJson } from "./curl.mjs";
import { until } from "./deadline.mjs";
import { holds } from "./listener.mjs";
import { closeAll, connect, listen } from "./socketio-client.mjs";
import { INTERNAL_API_KEY, start, token } from "./system.mjs";
import { connect as connectWebSocket } from "./websocket-client.mjs";

let system;
let clients = [];

before(async () => (system = await start()));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
});

/** How a user of the document connects: each test runs over both. */
const TRANSPORTS = {
  "Socket.IO": (name, edge) => connect(name, system.edges[edge].http),
  WebSocket: (name, edge) => connectWebSocket(name, system.edges[edge].ws),
};

for (const [transport, open] of Object.entries(TRANSPORTS)) {
  let number = 0;
  let roomId;

  /** Somebody who said who they are. */
  async function authenticated(userId, username, edge) {
    const client = await open(username, edge);
    clients.push(client);
    client.send("authenticate", { userId, username });
    return client;
  }

  /** John on the first edge and Jane on the second, both in the room. */
  async function johnAndJane() {
    const people = [await authenticated("user-john", "john_doe", 0), await authenticated("user-jane", "jane_doe", 1)];
    for (const client of people) {
      client.send("join_room", { roomId });
      await client.hears("room_users");
    }
    return people;
  }

  const it = (says, body) =>
    test(`${transport}: ${says}`, () => {
      roomId = `room-${transport}-${(number += 1)}`;
      return body();
    });

  it("join_room is answered by message_history, then room_users; the others hear user_joined", async () => {
    const [john, jane] = await johnAndJane();
    assert.deepEqual(await john.hears("message_history"), [], "a new room has none");
    const names = john.heard.map(({ event }) => event).filter((event) => event !== "connect");
    assert.deepEqual(names.slice(0, 2), ["message_history", "room_users"]);
    holds(
      (await john.hears("room_users")).find(({ userId }) => userId === "user-john"),
      { username: "john_doe" },
    );
    const users = await jane.hears("room_users");
    assert.deepEqual(users.map(({ userId }) => userId).sort(), ["user-jane", "user-john"]);
    assert.deepEqual(users.map(({ username }) => username).sort(), ["jane_doe", "john_doe"]);
    const joined = await john.hears("user_joined", ({ userId }) => userId === "user-jane");
    holds(joined, { roomId, userId: "user-jane", username: "jane_doe" });
  });

  it("send_message reaches everyone in the room as new_message, with the documented fields", async () => {
    const [john, jane] = await johnAndJane();
    const since = Date.now() - 1;
    john.send("send_message", { roomId, message: "Hello everyone!" });
    const heard = [await john.hears("new_message"), await jane.hears("new_message")];
    for (const message of heard) {
      holds(message, { roomId, userId: "user-john", username: "john_doe", message: "Hello everyone!" });
      assert.equal(message.messageType, "text");
      isMilliseconds(message.timestamp, since);
    }
    assert.equal(typeof heard[0].messageId, "string");
    assert.deepEqual(heard[0], heard[1], "the same for both");
  });

  it("message_history has what was said before, oldest first, in new_message's shape", async () => {
    const [john, jane] = await johnAndJane();
    for (const message of ["one", "two", "three"]) john.send("send_message", { roomId, message });
    const live = await jane.hearsMany("new_message", 3);
    assert.deepEqual(
      live.map(({ message }) => message),
      ["one", "two", "three"],
    );
    const jim = await authenticated("user-jim", "jim", 1);
    jim.send("join_room", { roomId });
    const history = await jim.hears("message_history");
    assert.equal(history.length, 3);
    for (const [index, message] of history.entries()) {
      const { roomId, userId, username, message: text, timestamp, messageId } = live[index];
      holds(message, { roomId, userId, username, message: text, timestamp, messageId });
    }
  });

  it("messageType is text, image or file, and comes back", async () => {
    const [john, jane] = await johnAndJane();
    for (const messageType of ["image", "file", "text"]) {
      john.send("send_message", { roomId, message: `https://example.com/${messageType}`, messageType });
    }
    const types = (await jane.hearsMany("new_message", 3)).map(({ messageType }) => messageType);
    assert.deepEqual(types, ["image", "file", "text"]);
  });

  it("a system message is a new_message of type system", async () => {
    const [john, jane] = await johnAndJane();
    const body = { roomId, message: "Server maintenance in 5 minutes" };
    const said = await postJson(
      `${system.http}/send-system-message`,
      body,
      "-H",
      `x-internal-api-key: ${INTERNAL_API_KEY}`,
    );
    assert.equal(said.status, 200);
    for (const client of [john, jane]) {
      holds(await client.hears("new_message"), { ...body, messageType: "system" });
    }
  });

  it("typing reaches the others as user_typing, on and off", async () => {
    const [john, jane] = await johnAndJane();
    john.send("typing", { roomId, isTyping: true });
    const who = { userId: "user-john", username: "john_doe" };
    holds(await jane.hears("user_typing"), { ...who, isTyping: true });
    john.send("typing", { roomId, isTyping: false });
    holds(await jane.hears("user_typing", ({ isTyping }) => !isTyping), who);
    assert.deepEqual(john.all("user_typing"), [], "not oneself");
  });

  it("leave_room and a disconnect tell the others user_left; who left hears no more", async () => {
    const [john, jane] = await johnAndJane();
    const jim = await authenticated("user-jim", "jim", 0);
    jim.send("join_room", { roomId });
    await jim.hears("room_users");
    jane.send("leave_room", { roomId });
    holds(await john.hears("user_left"), { roomId, userId: "user-jane", username: "jane_doe" });
    john.send("send_message", { roomId, message: "without Jane" });
    await jim.hears("new_message");
    // What she hears next, in her own time, is of another room.
    const other = `${roomId}-other`;
    jane.send("join_room", { roomId: other });
    jane.send("send_message", { roomId: other, message: "elsewhere" });
    holds(await jane.hears("new_message"), { roomId: other, message: "elsewhere" });
    jim.close();
    holds(await john.hears("user_left", ({ userId }) => userId === "user-jim"), { roomId, username: "jim" });
  });

  it("several rooms at once, and each message in its own only", async () => {
    const [john, jane] = await johnAndJane();
    const other = `${roomId}-other`;
    john.send("join_room", { roomId: other });
    john.send("send_message", { roomId: other, message: "to nobody else" });
    john.send("send_message", { roomId, message: "to both" });
    const both = (await john.hearsMany("new_message", 2)).map(({ roomId, message }) => [roomId, message]);
    assert.deepEqual(
      both.sort(),
      [
        [other, "to nobody else"],
        [roomId, "to both"],
      ].sort(),
    );
    holds(await jane.hears("new_message"), { roomId, message: "to both" });
  });

  it("before authenticate there is error { message: 'Not authenticated' }, and nothing else", async () => {
    const client = await open("nobody", 1);
    clients.push(client);
    const events = [
      ["join_room", { roomId }],
      ["send_message", { roomId, message: "anybody?" }],
      ["typing", { roomId, isTyping: true }],
      ["leave_room", { roomId }],
    ];
    for (const [event, data] of events) client.send(event, data);
    const errors = await client.hearsMany("error", events.length);
    for (const { message } of errors) assert.equal(message, "Not authenticated");
    client.send("authenticate", { userId: "user-late", username: "late" });
    client.send("join_room", { roomId });
    assert.deepEqual(
      (await client.hears("room_users")).map(({ userId }) => userId),
      ["user-late"],
    );
    const own = client.heard.map(({ event }) => event).filter((event) => event !== "connect");
    assert.deepEqual(own, [...events.map(() => "error"), "message_history", "room_users"]);
  });

  it("a direct room: two people, and who writes is named", async () => {
    const [john, jane] = await johnAndJane();
    john.send("send_message", { roomId, message: "Hi!" });
    jane.send("send_message", { roomId, message: "Hi John!" });
    for (const client of [john, jane]) {
      const said = (await client.hearsMany("new_message", 2)).map(({ username, message }) => `${username}: ${message}`);
      assert.deepEqual(said.sort(), ["jane_doe: Hi John!", "john_doe: Hi!"]);
    }
  });
}

test("the document's own program, as it is written", async () => {
  const socket = io(system.edges[1].http, { forceNew: true });
  const client = listen("john_doe", socket);
  clients.push(client);

  socket.on("connect", () => {
    // Authenticate
    socket.emit("authenticate", {
      userId: "user-123",
      username: "john_doe",
    });

    // Join room
    socket.emit("join_room", { roomId: "room-123" });
  });

  // Send message
  socket.emit("send_message", {
    roomId: "room-123",
    message: "Test message",
  });

  // socket.io-client keeps this send and lets it go first, so it comes before `authenticate`, as it always did.
  assert.equal((await client.hears("error")).message, "Not authenticated");
  await client.hears("room_users");
  socket.emit("send_message", { roomId: "room-123", message: "Test message" });
  holds(await client.hears("new_message"), { roomId: "room-123", userId: "user-123", message: "Test message" });
  assert.equal(client.all("new_message").length, 1);
});

test("wscat's lines, as they are written", async () => {
  const client = await connectWebSocket("john", system.ws);
  clients.push(client);
  client.sendText('{"event":"authenticate","data":{"userId":"user-123","username":"john"}}');
  client.sendText('{"event":"join_room","data":{"roomId":"room-wscat"}}');
  client.sendText('{"event":"send_message","data":{"roomId":"room-wscat","message":"Hello!"}}');
  holds(await client.hears("new_message"), {
    roomId: "room-wscat",
    userId: "user-123",
    username: "john",
    message: "Hello!",
  });
  assert.deepEqual(
    client.heard.map(({ event }) => event),
    ["message_history", "room_users", "new_message"],
  );
});

test("a callback of a Socket.IO client is answered", async () => {
  const john = await connect("john", system.http);
  clients.push(john);
  for (const [event, data] of [
    ["authenticate", { userId: "user-john", username: "john" }],
    ["join_room", { roomId: "room-ack" }],
  ]) {
    assert.equal((await john.asks(event, data))?.error, undefined, event);
  }
  const answer = await john.asks("send_message", { roomId: "room-ack", message: "stored?" });
  assert.equal(answer.messageId, (await john.hears("new_message")).messageId);
  const refused = await john.asks("send_message", { roomId: "room-ack" });
  assert.equal(typeof refused.error, "string");
});

test("with a token authenticate is not needed, and the name is the token's", async () => {
  const jwt = await token("user-jane", "Jane");
  const jane = await connect("jane", system.edges[1].http, { auth: { token: jwt } });
  const john = await connect("john", system.http);
  const raw = await connectWebSocket("raw", system.ws);
  clients.push(jane, john, raw);
  jane.send("join_room", { roomId: "room-token" });
  holds((await jane.hears("room_users"))[0], { userId: "user-jane", username: "Jane" });
  // Also where clients may name themselves, who has a token can't be somebody else.
  jane.send("authenticate", { userId: "user-john", username: "John" });
  jane.send("send_message", { roomId: "room-token", message: "still Jane" });
  holds(await jane.hears("new_message"), { userId: "user-jane", username: "Jane" });
  jane.forget();
  john.send("authenticate", { token: await token("user-john", "John") });
  raw.send("authenticate", { token: await token("user-raw", "Raw") });
  for (const client of [john, raw]) {
    client.send("join_room", { roomId: "room-token" });
    await client.hears("room_users");
    client.send("send_message", { roomId: "room-token", message: `from ${client.name}` });
  }
  const said = (await jane.hearsMany("new_message", 2)).map(({ userId, username }) => `${userId} ${username}`);
  assert.deepEqual(said.sort(), ["user-john John", "user-raw Raw"]);
});

test("REST history by curl: both paths, the newest, oldest first, with a Bearer token only", async () => {
  const john = await connect("john", system.http);
  clients.push(john);
  const roomId = "room-rest";
  john.send("authenticate", { userId: "user-john", username: "john_doe" });
  john.send("join_room", { roomId });
  for (const message of ["first", "second", "third"]) john.send("send_message", { roomId, message });
  const live = await john.hearsMany("new_message", 3);
  const authorization = `Authorization: Bearer ${await token("user-reader", "Reader")}`;
  for (const { http } of system.edges) {
    for (const path of [`/api/chat/${roomId}/history`, `/chat/${roomId}/history`]) {
      const answer = await curl("-X", "GET", `${http}${path}?limit=50`, "-H", authorization);
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("content-type"), /^application\/json/);
      assert.equal(answer.json.success, true);
      assert.equal(answer.json.messages.length, 3);
      for (const [index, item] of answer.json.messages.entries()) {
        const { userId, username, message, timestamp } = live[index];
        holds(item, { roomId, userId, username, message, timestamp });
      }
      const newest = await curl(`${http}${path}?limit=2`, "-H", authorization);
      assert.deepEqual(
        newest.json.messages.map(({ message }) => message),
        ["second", "third"],
      );
      assert.equal(
        (await curl(`${http}${path}`, "-H", authorization)).json.messages.length,
        3,
        "limit may be left out",
      );
      for (const wrong of [[], ["-H", "Authorization: Bearer forged"]]) {
        const refused = await curl(`${http}${path}`, ...wrong);
        assert.equal(refused.status, 401);
        assert.equal(refused.json?.messages, undefined);
      }
    }
  }
});

test("REST history of a room that is not: not found", async () => {
  const authorization = `Authorization: Bearer ${await token("user-reader", "Reader")}`;
  const answer = await curl(`${system.http}/api/chat/never-made/history`, "-H", authorization);
  assert.equal(answer.status, 404);
});

test("GET /health", async () => {
  for (const { http } of system.edges) {
    const answer = await curl(`${http}/health`);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json, { status: "ok", service: "chat-service" });
  }
});

test("message.sent goes to the notification service, one a message; receiverId in direct rooms only", async () => {
  const broker = await connectBroker(await system.broker("listener"));
  try {
    const published = [];
    broker.subscribe("chat.notify.message.sent", { callback: (_, message) => published.push(message.json()) });
    await broker.flush();
    const [john, jane] = [await connect("john", system.http), await connect("jane", system.edges[1].http)];
    clients.push(john, jane);
    const roomId = "room-notify";
    for (const client of [john, jane]) {
      client.send("authenticate", { userId: `user-${client.name}`, username: client.name });
      client.send("join_room", { roomId });
      await client.hears("room_users");
    }
    john.send("send_message", { roomId, message: "Hello!" });
    jane.send("send_message", { roomId, message: "Hello John!" });
    const said = await john.hearsMany("new_message", 2);
    const direct = await connect("direct", system.http, { auth: { token: await token("user-john", "john") } });
    clients.push(direct);
    const { messageId } = await direct.asks("sendMessage", {
      sender: "user-john",
      receiver: "user-jane",
      text: "psst",
    });

    await until("three are published", () => published.length >= 3);
    // One more, so that a repeat would have come before it.
    john.send("send_message", { roomId, message: "last" });
    await until("the last is published", () => published.some(({ data }) => data.message === "last"));
    assert.equal(published.length, 4, JSON.stringify(published));
    for (const event of published) {
      assert.equal(event.eventType, "message.sent");
      assert.match(event.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
      isMilliseconds(event.data.timestamp, Date.now() - 120_000);
    }
    for (const { messageId, userId, message, timestamp } of said) {
      const { data } = published.find((event) => event.data.messageId === messageId);
      holds(data, { roomId, senderId: userId, message, timestamp });
      assert.ok(!("receiverId" in data), "a group has no one receiver");
    }
    const { data } = published.find((event) => event.data.messageId === messageId);
    holds(data, { senderId: "user-john", receiverId: "user-jane", message: "psst" });
    assert.equal(typeof data.roomId, "string");
  } finally {
    await broker.close();
  }
});

function isMilliseconds(timestamp, since) {
  assert.ok(Number.isInteger(timestamp) && timestamp >= since && timestamp <= Date.now() + 1_000, `${timestamp}`);
}
