// The variables of the five documents: those that work, and those of stores that are no more.

import assert from "node:assert/strict";
import { test } from "node:test";

import { curl } from "./curl.mjs";
import { until } from "./deadline.mjs";
import { closeAll, connect, open } from "./socketio-client.mjs";
import { start, token } from "./system.mjs";
import { connect as connectWebSocket } from "./websocket-client.mjs";

/** Seed 001's own values, but for the two that bound history. */
const OF_STORES = {
  MONGODB_URI: "mongodb://mongo:27017/chat_db",
  REDIS_HOST: "redis",
  REDIS_PORT: "6379",
  REDIS_PASSWORD: "redis-password-of-old",
  RABBITMQ_URL: "amqp://user:rabbit-password-of-old@rabbitmq:5672",
  RABBITMQ_QUEUE_NEW_MESSAGE: "new_message",
};

test("with the variables of seed 001", async (t) => {
  const system = await start({
    variables: {
      ...OF_STORES,
      NODE_ENV: "production",
      CORS_ORIGIN: "*",
      MAX_CONNECTIONS_PER_USER: "5",
      MAX_MESSAGE_HISTORY: "3",
    },
  });
  const clients = [];
  t.after(async () => {
    closeAll(clients);
    await system.stop();
  });

  /** Somebody in a room, by Socket.IO. */
  async function member(userId, roomId, edge = 0) {
    const client = await connect(userId, system.edges[edge].http);
    clients.push(client);
    client.send("authenticate", { userId, username: userId });
    client.send("join_room", { roomId });
    await client.hears("room_users");
    return client;
  }

  await t.test("those of stores that are no more are named in one line, without their values", () => {
    for (const edge of [0, 1]) {
      const naming = system
        .said(edge)
        .split("\n")
        .filter((line) => line.includes("MONGODB_URI"));
      assert.equal(naming.length, 1, system.said(edge));
      for (const name of Object.keys(OF_STORES)) assert.ok(naming[0].includes(name), `${name} in ${naming[0]}`);
      for (const secret of ["mongo:27017", "redis-password-of-old", "rabbit-password-of-old"]) {
        assert.ok(!system.said(edge).includes(secret));
      }
    }
  });

  await t.test("CORS_ORIGIN=* lets every origin ask", async () => {
    for (const address of [`${system.http}/chat`, `${system.http}/socket.io/?EIO=4&transport=polling`]) {
      const answer = await curl("-H", "Origin: http://anywhere.example", address);
      assert.equal(answer.status, 200);
      const allowed = answer.headers.get("access-control-allow-origin");
      assert.ok(["*", "http://anywhere.example"].includes(allowed), allowed);
      assert.equal(answer.headers.get("access-control-allow-credentials"), null, "* never covers cookies");
    }
  });

  await t.test("CORS_ORIGIN=* does not cover a cookie from a foreign page", async () => {
    const headers = { Cookie: `access_token=${await token("user-cookie")}`, Origin: "http://anywhere.example" };
    for (const address of [`${system.ws}/chat/ws`, system.ws]) {
      await assert.rejects(connectWebSocket("foreign page", address, headers), /403/);
    }
    const page = open("foreign page", system.http, { extraHeaders: headers, reconnection: false });
    clients.push(page);
    await page.hears("connect_error");
    assert.deepEqual(page.all("connect"), []);
  });

  await t.test("MAX_MESSAGE_HISTORY bounds message_history and the REST history, the newest stay", async () => {
    const john = await member("user-john", "room-history");
    for (let number = 1; number <= 5; number += 1)
      john.send("send_message", { roomId: "room-history", message: `${number}` });
    await john.hearsMany("new_message", 5);
    const jane = await member("user-jane", "room-history", 1);
    assert.deepEqual(
      (await jane.hears("message_history")).map(({ message }) => message),
      ["3", "4", "5"],
    );
    const authorization = `Authorization: Bearer ${await token("user-jane")}`;
    const answer = await curl(`${system.http}/api/chat/room-history/history?limit=50`, "-H", authorization);
    assert.deepEqual(
      answer.json.messages.map(({ message }) => message),
      ["3", "4", "5"],
    );
  });

  await t.test("MAX_CONNECTIONS_PER_USER: the sixth of one person is refused, the five go on", async () => {
    const five = [];
    for (let number = 1; number <= 5; number += 1) five.push(await member("user-many", "room-many"));
    const sixth = await connect("sixth", system.http);
    clients.push(sixth);
    sixth.send("authenticate", { userId: "user-many", username: "user-many" });
    sixth.send("join_room", { roomId: "room-many" });
    assert.equal(typeof (await sixth.hears("error")).message, "string");
    five[0].send("send_message", { roomId: "room-many", message: "still here" });
    for (const client of five) assert.equal((await client.hears("new_message")).message, "still here");
    assert.deepEqual(sixth.all("message_history"), []);
    assert.deepEqual(sixth.all("new_message"), []);
    // Somebody else is not concerned, nor is who comes once there is room again.
    await member("user-else", "room-many");
    five[0].close();
    const retried = async () => {
      const again = await connect("again", system.http);
      clients.push(again);
      again.send("authenticate", { userId: "user-many", username: "user-many" });
      again.send("join_room", { roomId: "room-many" });
      await until("an answer", () => again.all("error").length + again.all("room_users").length);
      return again.all("room_users").length === 1;
    };
    await until("a fifth is taken again", retried);
  });
});

test("MESSAGE_HISTORY_TTL: what is older is served no more", async (t) => {
  const system = await start({ variables: { MESSAGE_HISTORY_TTL: "3" } });
  t.after(() => system.stop());
  const roomId = "room-ttl";
  const john = await connect("john", system.http);
  t.after(() => john.close());
  john.send("authenticate", { userId: "user-john", username: "john" });
  john.send("join_room", { roomId });
  john.send("send_message", { roomId, message: "fades" });
  await john.hears("new_message");
  const authorization = `Authorization: Bearer ${await token("user-john")}`;
  const history = async () => {
    const answer = await curl(`${system.edges[1].http}/api/chat/${roomId}/history`, "-H", authorization);
    assert.equal(answer.status, 200);
    return answer.json.messages;
  };
  await until("it has faded", async () => (await history()).length === 0);
  john.send("send_message", { roomId, message: "fresh" });
  const fresh = await until("what is new is there", async () => (await history())[0]);
  assert.equal(fresh.message, "fresh");
});
