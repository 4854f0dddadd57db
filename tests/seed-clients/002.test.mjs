// Seed 002: Socket.IO namespace `/chat` with its own snippets, on two edges. `002.md` has the list.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { io } from "socket.io-client";

import { holds } from "./listener.mjs";
import { closeAll, connect, listen, open } from "./socketio-client.mjs";
import { start, token } from "./system.mjs";
import { connect as connectWebSocket } from "./websocket-client.mjs";

let system;
let clients = [];
/** Each test has conversations of its own. */
let conversationId = 100;

before(async () => (system = await start()));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
  conversationId += 1;
});

/** A user as the document connects one. */
async function user(userId, edge, options = {}) {
  const client = await connect(`user ${userId}`, `${system.edges[edge].http}/chat`, { query: { userId }, ...options });
  client.userId = userId;
  clients.push(client);
  return client;
}

async function joined(client, conversation = conversationId) {
  client.send("join-conversation", { conversationId: conversation, userId: client.userId });
  return client.hears("joined-conversation", (data) => data.conversationId === conversation);
}

/** Users 1 and 2 on two edges, both in the conversation. */
async function two() {
  const people = [await user(1, 0), await user(2, 1)];
  for (const client of people) await joined(client);
  return people;
}

const message = (content, sender_id = 1) => ({
  sender_id,
  conversation_id: conversationId,
  message_type: "text",
  content,
});

test("the document's own snippets, as they are written", async () => {
  const heard = [];
  const socket = io(`${system.http}/chat`, {
    query: { userId: 1 },
    forceNew: true,
  });
  const client = listen("user 1", socket);
  clients.push(client);
  await client.hears("connect");

  socket.emit("join-conversation", {
    conversationId: 1,
    userId: 1,
  });

  socket.emit("send-message", {
    sender_id: 1,
    conversation_id: 1,
    message_type: "text",
    content: "Hello!",
  });

  socket.on("receive-message", (data) => {
    heard.push(data);
  });

  holds(await client.hears("receive-message"), {
    sender_id: 1,
    conversation_id: 1,
    message_type: "text",
    content: "Hello!",
  });
  assert.equal(heard.length, 1);
});

test("the browser console's snippet: everything is sent at once, before there is a connection", async () => {
  const socket = io(`${system.edges[1].http}/chat`, { query: { userId: 1 }, forceNew: true });
  const client = listen("user 1", socket);
  clients.push(client);
  socket.emit("join-conversation", { conversationId, userId: 1 });
  socket.emit("send-message", {
    sender_id: 1,
    conversation_id: conversationId,
    message_type: "text",
    content: "Test",
  });
  holds(await client.hears("receive-message"), { content: "Test" });
  const order = client.heard.map(({ event }) => event).filter((event) => event !== "connect");
  assert.equal(order[0], "joined-conversation");
  assert.deepEqual(order.slice(1).sort(), ["message-sent", "receive-message"]);
});

test("join-conversation is answered by joined-conversation { conversationId, success }", async () => {
  const one = await user(1, 0);
  assert.deepEqual(await joined(one), { conversationId, success: true });
});

test("send-message: everyone in the conversation gets receive-message, the sender message-sent too", async () => {
  const [one, second] = await two();
  const other = await user(1, 1);
  await joined(other);
  one.send("send-message", message("Hello!"));
  const received = [
    await one.hears("receive-message"),
    await second.hears("receive-message"),
    await other.hears("receive-message"),
  ];
  for (const data of received) {
    holds(data, { conversation_id: conversationId, sender_id: 1, message_type: "text", content: "Hello!" });
    assert.equal(typeof data.id, "string");
    assert.ok(!Number.isNaN(Date.parse(data.created_at)), data.created_at);
    assert.deepEqual(data, received[0]);
  }
  const sent = await one.hears("message-sent");
  for (const name of ["id", "conversation_id", "sender_id", "message_type", "content", "created_at"]) {
    assert.deepEqual(sent[name], received[0][name], name);
  }
  // A second message proves that nothing more was to come of the first.
  second.send("send-message", message("Hi!", 2));
  for (const client of [one, second, other]) {
    const contents = (await client.hearsMany("receive-message", 2)).map(({ content }) => content);
    assert.deepEqual(contents, ["Hello!", "Hi!"]);
  }
  await second.hears("message-sent");
  assert.deepEqual(
    [one, second, other].map((client) => client.all("message-sent").length),
    [1, 1, 0],
  );
});

test("message_type is text, image or file, and comes back", async () => {
  const [one, second] = await two();
  for (const message_type of ["image", "file", "text"])
    one.send("send-message", { ...message("https://example.com/x"), message_type });
  const types = (await second.hearsMany("receive-message", 3)).map((data) => data.message_type);
  assert.deepEqual(types, ["image", "file", "text"]);
});

test("a callback of the client is answered", async () => {
  const one = await user(1, 1);
  assert.equal((await one.asks("join-conversation", { conversationId, userId: 1 }))?.error, undefined);
  const answer = await one.asks("send-message", message("stored?"));
  assert.equal(answer.messageId, (await one.hears("receive-message")).id);
  assert.equal(typeof (await one.asks("send-message", message("not mine", 2))).error, "string");
});

test("message-error: a sender_id that is not one's own, and what is missing, with its name", async () => {
  const [one, second] = await two();
  one.send("send-message", message("as somebody else", 2));
  assert.equal(typeof (await one.hears("message-error")).error, "string");
  for (const field of ["sender_id", "conversation_id", "content"]) {
    const { [field]: _, ...rest } = message("incomplete");
    one.send("send-message", rest);
    await one.hears("message-error", ({ error }) => error.includes(`${field} should not be empty`));
  }
  one.send("send-message", message("complete"));
  assert.equal((await second.hears("receive-message")).content, "complete");
});

test("typing reaches the others as user-typing, on and off", async () => {
  const [one, second] = await two();
  one.send("typing", { conversationId, userId: 1, isTyping: true });
  holds(await second.hears("user-typing"), { conversationId, userId: 1, isTyping: true });
  one.send("typing", { conversationId, userId: 1, isTyping: false });
  holds(await second.hears("user-typing", ({ isTyping }) => !isTyping), { conversationId, userId: 1 });
  assert.deepEqual(one.all("user-typing"), []);
});

test("user:online when somebody first enters, user:offline when their last session ends", async () => {
  const one = await user(1, 0);
  await joined(one);
  const [second, again] = [await user(2, 1), await user(2, 0)];
  await joined(second);
  holds(await one.hears("user:online"), { userId: 2 });
  await joined(again);
  second.close();
  const three = await user(3, 1);
  await joined(three);
  await one.hears("user:online", ({ userId }) => userId === 3);
  assert.deepEqual(
    one.all("user:online").map(({ userId }) => userId),
    [2, 3],
    "the second session of 2 is nothing new",
  );
  assert.deepEqual(one.all("user:offline"), [], "2 is still there");
  again.close();
  holds(await one.hears("user:offline"), { userId: 2 });
  three.close();
  holds(await one.hears("user:offline", ({ userId }) => userId === 3), {});
});

test("leave-conversation: nothing more of it is received; the connection goes on", async () => {
  const [one, second] = await two();
  second.send("leave-conversation", { conversationId });
  const elsewhere = conversationId + 1_000;
  await joined(second, elsewhere);
  one.send("send-message", message("without 2"));
  await one.hears("receive-message");
  second.send("send-message", { sender_id: 2, conversation_id: elsewhere, message_type: "text", content: "elsewhere" });
  assert.equal((await second.hears("receive-message")).content, "elsewhere");
  assert.deepEqual(one.all("user:offline"), [], "2 has left the conversation and is online");
  second.close();
  holds(await one.hears("user:offline"), { userId: 2 });
});

test("error { message }: a conversation that cannot be", async () => {
  const one = await user(1, 0);
  one.send("join-conversation", { userId: 1 });
  assert.equal(typeof (await one.hears("error")).message, "string");
  await joined(one);
});

test("without a userId in the query: error { message }", async () => {
  const nobody = await connect("nobody", `${system.http}/chat`);
  clients.push(nobody);
  nobody.send("join-conversation", { conversationId, userId: 1 });
  assert.equal((await nobody.hears("error")).message, "Not authenticated");
});

test("ids: canonical decimals up to 2^53-1 are numbers, all others strings; 5 and '5' are one conversation", async () => {
  const one = await user(1, 0);
  const named = await user("user-uuid", 1);
  for (const id of ["007", "5.0", "-1", "9007199254740992", "team"]) {
    assert.strictEqual((await joined(named, id)).conversationId, id);
  }
  for (const id of [0, 5, 9007199254740991]) assert.strictEqual((await joined(one, id)).conversationId, id);
  named.send("join-conversation", { conversationId: "5", userId: "user-uuid" });
  await named.hears("joined-conversation", (data) => data.conversationId === 5);
  named.send("send-message", { sender_id: "user-uuid", conversation_id: 5, message_type: "text", content: "by name" });
  for (const client of [one, named])
    holds(await client.hears("receive-message"), { conversation_id: 5, sender_id: "user-uuid" });
});

test("message-updated, message-deleted: what a client of another kind changes", async () => {
  const [one, second] = await two();
  const roomId = String(conversationId);
  const ada = await native("ada", "Ada");
  ada.send("chat.join", { roomId });
  await ada.hears("chat.joined");
  ada.send("chat.message", { roomId, message: "first version" });
  const { messageId } = await ada.hears("chat.message");
  const { id } = await one.hears("receive-message");
  assert.equal(id, messageId);
  const { seq } = ada.frames.find(({ event }) => event === "chat.message");
  ada.send("chat.edit", { roomId, messageId, seq, message: "second version" });
  for (const client of [one, second]) {
    holds(await client.hears("message-updated"), {
      id,
      conversation_id: conversationId,
      sender_id: "ada",
      content: "second version",
    });
  }
  ada.send("chat.delete", { roomId, messageId, seq });
  for (const client of [one, second]) {
    const deleted = await client.hears("message-deleted");
    holds(deleted, { id, conversation_id: conversationId });
    assert.ok(!JSON.stringify(deleted).includes("version"), "its words are gone");
  }
});

test("conversation-created: those who take part in a new one hear of it", async () => {
  const [one, stranger] = [await user(1, 1), await user(3, 0)];
  const ada = await native("ada", "Ada");
  ada.send("chat.createRoom", { roomId: String(conversationId), type: "group", name: "Planning", participants: ["1"] });
  holds(await one.hears("conversation-created"), { conversationId });
  await joined(one);
  stranger.send("join-conversation", { conversationId, userId: 3 });
  await stranger.hears("error");
  assert.deepEqual(stranger.all("conversation-created"), []);
});

test("a token in place of the userId", async () => {
  const jwt = await token("ada", "Ada");
  const ada = await connect("ada", `${system.http}/chat`, { auth: { token: jwt }, query: { userId: 1 } });
  const one = await user(1, 1);
  clients.push(ada);
  ada.userId = "ada";
  for (const client of [ada, one]) await joined(client);
  ada.send("send-message", message("forged", 1));
  await ada.hears("message-error");
  ada.send("send-message", message("mine", "ada"));
  holds(await one.hears("receive-message"), { sender_id: "ada", content: "mine" });
  const forged = open("forged", `${system.http}/chat`, {
    auth: { token: "forged" },
    query: { userId: 1 },
    reconnection: false,
  });
  clients.push(forged);
  await forged.hears("connect_error");
  assert.deepEqual(forged.all("connect"), []);
});

/** A client of the native names, which does what this document has no event for. */
async function native(userId, name) {
  const headers = { Cookie: `access_token=${await token(userId, name)}` };
  const client = await connectWebSocket(name, `${system.edges[1].ws}/chat/ws`, headers);
  client.frames = [];
  client.socket.on("message", (data) => client.frames.push(JSON.parse(data.toString())));
  clients.push(client);
  return client;
}
