// Connections break, an edge is killed (-9), everything is killed: what the documents promise still holds afterwards.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { io } from "socket.io-client";

import { postJson } from "./curl.mjs";
import { until } from "./deadline.mjs";
import { closeAll, connect, listen } from "./socketio-client.mjs";
import { start, token } from "./system.mjs";
import { connect as connectWebSocket } from "./websocket-client.mjs";

let system;
let clients = [];
let run = 0;

before(async () => (system = await start()));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
  run += 1;
});

function keep(client) {
  clients.push(client);
  return client;
}

/**
 * Each document's client as a program that runs for long: it enters whenever it is connected. `again` waits until it
 * is back: socket.io-client comes back by itself, on a plain WebSocket the user connects again.
 */
const LASTING = {
  async "000"(userId, edge) {
    const client = keep(listen(userId, io(system.edges[edge].http, { forceNew: true })));
    await client.hears("connect");
    return {
      userId,
      client,
      say: (text) => client.send("sendMessage", text),
      texts: () => client.all("receiveMessage"),
      again: async () => client.hearsMany("connect", 2),
    };
  },

  async "001 by Socket.IO"(userId, edge, roomId) {
    const socket = io(system.edges[edge].http, { forceNew: true });
    const client = keep(listen(userId, socket));
    socket.on("connect", () => {
      socket.emit("authenticate", { userId, username: userId });
      socket.emit("join_room", { roomId });
    });
    await client.hears("room_users");
    return {
      ...face001(userId, client, roomId),
      again: async () => {
        await client.hearsMany("room_users", 2);
        return client
          .all("message_history")
          .at(-1)
          .map(({ message }) => message);
      },
    };
  },

  async "001 by WebSocket"(userId, edge, roomId) {
    const enter = async () => {
      const client = keep(await connectWebSocket(userId, system.edges[edge].ws));
      client.send("authenticate", { userId, username: userId });
      client.send("join_room", { roomId });
      const history = await client.hears("message_history");
      await client.hears("room_users");
      return { client, history: history.map(({ message }) => message) };
    };
    return reconnecting(userId, enter, (client) => face001(userId, client, roomId));
  },

  async "002"(userId, edge, roomId) {
    const socket = io(`${system.edges[edge].http}/chat`, { query: { userId }, forceNew: true });
    const client = keep(listen(userId, socket));
    socket.on("connect", () => socket.emit("join-conversation", { conversationId: roomId, userId }));
    await client.hears("joined-conversation");
    const message = { sender_id: userId, conversation_id: roomId, message_type: "text" };
    return {
      userId,
      client,
      say: (content) => client.send("send-message", { ...message, content }),
      texts: () => client.all("receive-message").map(({ content }) => content),
      again: async () => client.hearsMany("joined-conversation", 2),
    };
  },

  async "004"(userId, edge, roomId) {
    const headers = { Cookie: `access_token=${await token(userId)}` };
    const enter = async () => {
      const client = keep(await connectWebSocket(userId, `${system.edges[edge].ws}/chat/ws`, headers));
      client.send("chat.join", { roomId });
      const { events } = await client.hears("chat.joined");
      const messages = events.filter(({ event }) => event === "chat.message");
      return { client, history: messages.map(({ data }) => data.message) };
    };
    const face = (client) => ({
      say: (message) => client.send("chat.message", { roomId, message, username: userId }),
      texts: () => client.all("chat.message").map(({ message }) => message),
    });
    return reconnecting(userId, enter, face);
  },
};

function face001(userId, client, roomId) {
  return {
    userId,
    client,
    say: (message) => client.send("send_message", { roomId, message }),
    texts: () => client.all("new_message").map(({ message }) => message),
  };
}

async function reconnecting(userId, enter, face) {
  const lasting = { userId, past: [], client: (await enter()).client };
  lasting.say = (text) => face(lasting.client).say(text);
  lasting.texts = () => [...lasting.past, ...face(lasting.client).texts()];
  lasting.again = async () => {
    await lasting.client.hears("close");
    lasting.past = lasting.texts();
    const { client, history } = await enter();
    lasting.client = client;
    return history;
  };
  return lasting;
}

/** One person on each kind of client, all on this edge, all in `lobby`, the room of 000. */
async function everybody(edge, prefix) {
  const people = {};
  for (const kind of Object.keys(LASTING)) people[kind] = await LASTING[kind](`${prefix} ${kind}`, edge, "lobby");
  return people;
}

/** Everybody says one thing; everybody hears all of it. */
async function allSay(people, what) {
  for (const { userId, say } of people) say(`${what} ${userId}`);
  const expected = people.map(({ userId }) => `${what} ${userId}`).sort();
  const those = ({ texts }) => texts().filter((text) => text.startsWith(`${what} `));
  for (const person of people) {
    await until(
      () => `${person.userId} hears ${expected}; heard ${person.texts()}`,
      () => those(person).length >= expected.length,
    );
    assert.deepEqual(those(person).sort(), expected, `each once, on ${person.userId}`);
    assert.deepEqual(those(person), those(people[0]), "in one order");
  }
}

/** Where a document promises history, it has what was said before and meanwhile, in the order in which it was heard. */
function hasHistory(history, heard, kind) {
  assert.deepEqual(history.slice(-heard.length), heard, `the history of ${kind}`);
}

test("a client disconnects and connects again: it goes on, with what was said meanwhile where there is history", async () => {
  const witness = await LASTING["001 by Socket.IO"](`witness ${run}`, 0, "lobby");
  const people = await everybody(1, `d${run}`);
  const all = [witness, ...Object.values(people)];
  await allSay(all, `before${run}`);
  for (const { client } of Object.values(people)) client.close();
  await witness.client.hears("user_left", ({ userId }) => userId === people["001 by WebSocket"].userId);
  witness.say(`meanwhile${run}`);
  await until("the witness hears it", () => witness.texts().includes(`meanwhile${run}`));
  for (const [kind, { client, again }] of Object.entries(people)) {
    client.socket.connect?.();
    const history = await again();
    if (kind.startsWith("001") || kind === "004") hasHistory(history, witness.texts(), kind);
  }
  await allSay(all, `after${run}`);
  for (const person of Object.values(people)) {
    assert.ok(!person.texts().includes(`meanwhile${run}`), "live is what is said while one is there");
  }
});

test("an edge is killed and started again: its people come back, the others went on", async () => {
  const witness = await LASTING["001 by Socket.IO"](`witness ${run}`, 0, "lobby");
  const people = await everybody(1, `e${run}`);
  const all = [witness, ...Object.values(people)];
  await allSay(all, `before${run}`);
  await system.killEdge();
  for (const { userId } of [people["001 by Socket.IO"], people["001 by WebSocket"], people["002"], people["004"]]) {
    await witness.client.hears("user_left", (left) => left.userId === userId);
  }
  witness.say(`meanwhile${run}`);
  await until("the witness hears it", () => witness.texts().includes(`meanwhile${run}`));
  await system.startEdge(1);
  for (const [kind, { again }] of Object.entries(people)) {
    const history = await again();
    if (kind.startsWith("001") || kind === "004") hasHistory(history, witness.texts(), kind);
  }
  await allSay(all, `after${run}`);
  assert.deepEqual(witness.client.all("disconnect"), [], "the other edge's people noticed nothing");
});

test("everything is killed and started again: nothing that was heard is lost, everybody comes back", async () => {
  const people = {
    witness: await LASTING["001 by Socket.IO"](`witness ${run}`, 0, "lobby"),
    ...(await everybody(1, `k${run}`)),
  };
  const all = Object.values(people);
  await allSay(all, `before${run}`);
  const heard = people.witness.texts();
  await system.killAll();
  await system.startAll();
  for (const [kind, { again }] of Object.entries(people)) {
    const history = await again();
    if (kind === "witness" || kind.startsWith("001") || kind === "004") hasHistory(history, heard, kind);
  }
  await allSay(all, `after${run}`);
});

/** A client of 003 on an edge. */
async function online(userId, edge) {
  return keep(await connect(userId, system.edges[edge].http, { auth: { token: await token(userId) } }));
}

const five = ["one", "two", "three", "four", "five"];

/** Five messages to somebody who is away, then `fault`, then they connect twice. */
async function fiveAndA(fault) {
  const [ann, ben] = [`ann-${run}`, `ben-${run}`];
  const a = await online(ann, 1);
  const sent = five.map((text) => a.asks("sendMessage", { sender: ann, receiver: ben, text }));
  const ids = (await Promise.all(sent)).map(({ messageId }) => messageId);
  await fault();
  const first = await online(ben, 1);
  const queued = await first.hearsMany("receiveMessage", 5);
  assert.deepEqual(
    queued.map(({ text }) => text),
    five,
    "five, in order",
  );
  assert.deepEqual(
    queued.map(({ messageId }) => messageId),
    ids,
  );
  first.close();
  await until("the sender is back", () => a.socket.connected);
  const second = await online(ben, 0);
  await a.asks("sendMessage", { sender: ann, receiver: ben, text: "six" });
  assert.equal((await second.hears("receiveMessage")).text, "six", "once");
  assert.equal(first.all("receiveMessage").length, 5);
}

test("003: five messages to somebody who is away, the edge is killed and started, they connect twice", () =>
  fiveAndA(async () => {
    await system.killEdge();
    await system.startEdge(1);
  }));

test("003: five messages to somebody who is away, everything is killed and started, they connect twice", () =>
  fiveAndA(async () => {
    await system.killAll();
    await system.startAll();
  }));

test("003: what was delivered before a crash does not come again after it", async () => {
  const [ann, ben] = [`ann-${run}`, `ben-${run}`];
  const a = await online(ann, 0);
  const b = await online(ben, 1);
  for (const text of five) a.send("sendMessage", { sender: ann, receiver: ben, text });
  await b.hearsMany("receiveMessage", 5);
  b.close();
  // Connecting again and hearing nothing of it shows that the mark is stored; from then on no crash may undo it.
  const again = await online(ben, 0);
  await a.asks("sendMessage", { sender: ann, receiver: ben, text: "six" });
  assert.equal((await again.hears("receiveMessage")).text, "six");
  again.close();
  const third = await online(ben, 0);
  await a.asks("sendMessage", { sender: ann, receiver: ben, text: "seven" });
  assert.equal((await third.hears("receiveMessage")).text, "seven");
  third.close();
  await system.killEdge();
  await system.startEdge(1);
  const last = await online(ben, 1);
  await a.asks("sendMessage", { sender: ann, receiver: ben, text: "eight" });
  const { text } = (await last.hearsMany("receiveMessage", 1))[0];
  // "seven" may come once more, with the messageId that it had: only what was in flight may.
  assert.ok(["seven", "eight"].includes(text), text);
});

test("003: accounts outlive a crash of everything, and so do their tokens", async () => {
  const username = `lasting-${run}`;
  const account = { username, password: "correct horse battery staple" };
  const post = (path, body) => postJson(`${system.http}${path}`, body);
  await post("/auth/register", account);
  await post("/auth/verify", { username, otp: "123456" });
  const { token: jwt } = (await post("/auth/login", account)).json;
  await system.killAll();
  await system.startAll();
  keep(await connect(username, system.edges[1].http, { auth: { token: jwt } }));
  const login = await post("/auth/login", account);
  assert.equal(login.status, 200);
  assert.equal((await post("/auth/verify", { username, otp: "123456" })).status, 400, "a used code stays used");
  keep(await connect(username, system.http, { auth: { token: login.json.token } }));
});
