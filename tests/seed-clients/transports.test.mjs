// Ways to be connected: long-polling alone, polling upgraded to WebSocket, WebSocket alone and behind a proxy without
// sticky sessions. On each, thirty sends in one go arrive in order; and who stops reading is dropped without harm.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { until } from "./deadline.mjs";
import { frozenReader } from "./frozen-reader.mjs";
import { roundRobin } from "./proxy.mjs";
import { closeAll, connect, open } from "./socketio-client.mjs";
import { start, token } from "./system.mjs";
import { connect as connectWebSocket } from "./websocket-client.mjs";

const IN_ONE_GO = Array.from({ length: 30 }, (_, index) => `number ${index + 1}`);
let system;
let clients = [];
let room = 400;

before(async () => (system = await start()));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
  room += 1;
});

function keep(client) {
  clients.push(client);
  return client;
}

/**
 * Each document's session in one go, nothing waited for in between: who one is, where one enters, and all the sends.
 * `texts` reads what a client has heard; `enter` lets somebody else listen.
 */
const SOCKET_IO = {
  "000": {
    path: "",
    options: () => ({}),
    enter: () => {},
    say: (client, texts) => texts.forEach((text) => client.send("sendMessage", text)),
    event: "receiveMessage",
    text: (data) => data,
  },
  "001": {
    path: "",
    options: () => ({}),
    enter: enter001,
    entered: "room_users",
    say: say001,
    event: "new_message",
    text: ({ message }) => message,
  },
  "002": {
    path: "/chat",
    options: (userId) => ({ query: { userId } }),
    enter: (client, userId) => client.send("join-conversation", { conversationId: room, userId }),
    entered: "joined-conversation",
    say: (client, texts, userId) => {
      const message = { sender_id: userId, conversation_id: room, message_type: "text" };
      for (const content of texts) client.send("send-message", { ...message, content });
    },
    event: "receive-message",
    text: ({ content }) => content,
  },
  "003": {
    path: "",
    options: async (userId) => ({ auth: { token: await token(`${room}-${userId}`) } }),
    enter: () => {},
    say: (client, texts, userId) => {
      for (const text of texts)
        client.send("sendMessage", { sender: `${room}-${userId}`, receiver: `${room}-2`, text });
    },
    event: "receiveMessage",
    text: ({ text }) => text,
  },
};

function enter001(client, userId) {
  client.send("authenticate", { userId: String(userId), username: `user ${userId}` });
  client.send("join_room", { roomId: `${room}` });
}

function say001(client, texts) {
  for (const message of texts) client.send("send_message", { roomId: `${room}`, message });
}

const WAYS = {
  "long-polling only": { transports: ["polling"] },
  "WebSocket only": { transports: ["websocket"] },
  "polling, then upgraded": {},
};

for (const [seed, { path, options, enter, entered, say, event, text }] of Object.entries(SOCKET_IO)) {
  for (const [way, transport] of Object.entries(WAYS)) {
    test(`${seed}, ${way}: thirty sends in one go arrive in order, once`, async () => {
      const listener = keep(
        await connect("2", `${system.edges[1].http}${path}`, { ...(await options(2)), ...transport }),
      );
      enter(listener, 2);
      if (entered) await listener.hears(entered);
      const speaker = keep(
        await connect("1", `${system.edges[0].http}${path}`, { ...(await options(1)), ...transport }),
      );
      enter(speaker, 1);
      say(speaker, IN_ONE_GO, 1);
      assert.deepEqual((await listener.hearsMany(event, 30)).map(text), IN_ONE_GO);
      if (seed !== "003") assert.deepEqual((await speaker.hearsMany(event, 30)).map(text), IN_ONE_GO);

      const expected = transport.transports?.[0] ?? "websocket";
      for (const { socket } of [speaker, listener]) {
        await until(`the transport is ${expected}`, () => socket.io.engine.transport.name === expected);
      }
      say(speaker, ["one more"], 1);
      assert.deepEqual((await listener.hearsMany(event, 31)).map(text), [...IN_ONE_GO, "one more"]);
      assert.equal(listener.all(event).length, 31);
      assert.deepEqual([...speaker.all("error"), ...listener.all("error")], []);
    });
  }
}

test("polling, then upgraded: what is said while the transport changes is heard, once and in order", async () => {
  const speaker = keep(await connect("1", system.http, { transports: ["websocket"] }));
  enter001(speaker, 1);
  await speaker.hears("room_users");
  const changing = Array.from({ length: 4 }, (_, index) => keep(open(`${index + 2}`, system.edges[1].http)));
  for (const [index, client] of changing.entries()) enter001(client, index + 2);
  await Promise.all(changing.map((client) => client.hears("room_users")));
  let said = 0;
  const isUpgraded = ({ socket }) => socket.io.engine.transport.name === "websocket";
  await until("all are upgraded, while somebody speaks", () => {
    say001(speaker, [`number ${(said += 1)}`]);
    return changing.every(isUpgraded);
  });
  say001(speaker, ["the last word"]);
  for (const client of changing) {
    await client.hears("new_message", ({ message }) => message === "the last word");
    const expected = [...Array.from({ length: said }, (_, index) => `number ${index + 1}`), "the last word"];
    assert.deepEqual(
      client.all("new_message").map(({ message }) => message),
      expected,
    );
  }
});

test("001 by WebSocket: thirty sends in one go, from the first frame on, arrive in order, once", async () => {
  const listener = keep(await connectWebSocket("2", system.edges[1].ws));
  enter001(listener, 2);
  await listener.hears("room_users");
  const speaker = keep(await connectWebSocket("1", system.ws));
  enter001(speaker, 1);
  say001(speaker, IN_ONE_GO);
  for (const client of [listener, speaker]) {
    assert.deepEqual(
      (await client.hearsMany("new_message", 30)).map(({ message }) => message),
      IN_ONE_GO,
    );
  }
});

test("004: thirty sends in one go, from the first frame on, arrive in order, once", async () => {
  const roomId = `${room}`;
  const enter = async (userId, edge) => {
    const headers = { Cookie: `access_token=${await token(userId)}` };
    const client = keep(await connectWebSocket(userId, `${system.edges[edge].ws}/chat/ws`, headers));
    client.send("chat.join", { roomId });
    return client;
  };
  const listener = await enter("2", 1);
  await listener.hears("chat.joined");
  const speaker = await enter("1", 0);
  for (const message of IN_ONE_GO) speaker.send("chat.message", { roomId, message, username: "1" });
  for (const client of [listener, speaker]) {
    assert.deepEqual(
      (await client.hearsMany("chat.message", 30)).map(({ message }) => message),
      IN_ONE_GO,
    );
  }
});

test("two edges behind a plain round-robin proxy: WebSocket clients of every document need no sticky sessions", async () => {
  const proxy = await roundRobin(system.edges);
  try {
    for (const [seed, { path, options, enter, entered, say, event, text }] of Object.entries(SOCKET_IO)) {
      const people = [];
      for (const userId of [1, 2, 3, 4]) {
        const own = seed === "003" ? await options(2) : await options(userId);
        const client = keep(
          await connect(`${seed}-${userId}`, `${proxy.http}${path}`, { ...own, transports: ["websocket"] }),
        );
        enter(client, userId);
        if (entered) await client.hears(entered);
        people.push(client);
      }
      const speaker =
        seed === "003"
          ? keep(await connect("1", proxy.http, { ...(await options(1)), transports: ["websocket"] }))
          : people[0];
      say(speaker, IN_ONE_GO, 1);
      for (const client of people) assert.deepEqual((await client.hearsMany(event, 30)).map(text), IN_ONE_GO);
      closeAll(people);
      room += 1;
    }
    const raw = [];
    for (const userId of [1, 2, 3, 4]) {
      const client = keep(await connectWebSocket(`raw-${userId}`, proxy.ws));
      enter001(client, userId);
      await client.hears("room_users");
      raw.push(client);
    }
    say001(raw[0], IN_ONE_GO);
    for (const client of raw) {
      assert.deepEqual(
        (await client.hearsMany("new_message", 30)).map(({ message }) => message),
        IN_ONE_GO,
      );
    }
    assert.ok(Math.min(...proxy.counts) >= 10, `both edges had their share: ${proxy.counts}`);
  } finally {
    await proxy.close();
  }
});

test("who stops reading is dropped; the neighbours hear that they left, and everything else", async (t) => {
  const TEXT = "x".repeat(16_000);
  const MESSAGES_MAX = 3_000;
  const roomId = `${room}`;
  const frozen = await frozenReader(system.edges[1].port);
  t.after(() => frozen.close());
  frozen.send("authenticate", { userId: "frozen", username: "frozen" });
  frozen.send("join_room", { roomId });
  await frozen.saw('"room_users"');

  const neighbour = keep(await connect("neighbour", system.edges[1].http));
  const speaker = keep(await connect("speaker", system.http));
  for (const client of [neighbour, speaker]) {
    enter001(client, client.name);
    await client.hears("room_users");
  }
  frozen.freeze();
  let said = 0;
  const isGone = () => speaker.all("user_left", ({ userId }) => userId === "frozen").length === 1;
  while (!isGone() && said < MESSAGES_MAX) {
    const answers = Array.from({ length: 20 }, () =>
      speaker.asks("send_message", { roomId, message: `${(said += 1)} ${TEXT}` }),
    );
    await Promise.all(answers);
  }
  await until(`they are dropped after ${said} messages`, isGone);
  speaker.send("send_message", { roomId, message: "the last word" });
  await neighbour.hears("new_message", ({ message }) => message === "the last word");
  const numbers = neighbour.all("new_message").map(({ message }) => message.split(" ")[0]);
  assert.deepEqual(numbers, [...Array.from({ length: said }, (_, index) => `${index + 1}`), "the"]);
  assert.deepEqual(
    [neighbour, speaker].flatMap((client) => client.all("disconnect")),
    [],
  );
  frozen.thaw();
  await until("the connection is over", () => frozen.isOver());
});
