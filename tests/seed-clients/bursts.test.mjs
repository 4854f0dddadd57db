// More at once than a person types: what was said while there was no connection comes in one go when there is one.
// And what can't be read costs an error, not the connection.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { closeAll, connect, open } from "./socketio-client.mjs";
import { start } from "./system.mjs";

const SAID_OFFLINE = Array.from({ length: 150 }, (_, index) => `number ${index + 1}`);
let system;
let clients = [];

before(async () => (system = await start()));
after(() => system?.stop());
afterEach(() => {
  closeAll(clients);
  clients = [];
});

async function inRoom(name, roomId, edge, options) {
  const client = await connect(name, system.edges[edge].http, options);
  clients.push(client);
  client.send("authenticate", { userId: name, username: name });
  client.send("join_room", { roomId });
  await client.hears("room_users");
  return client;
}

for (const transport of ["websocket", "polling"]) {
  test(`what was said offline, ${SAID_OFFLINE.length} messages, arrives whole and in order: ${transport}`, async () => {
    const roomId = `offline-${transport}`;
    const jane = await inRoom("jane", roomId, 1);
    const john = open("john", system.edges[0].http, { transports: [transport], autoConnect: false });
    clients.push(john);
    john.send("authenticate", { userId: "john", username: "john" });
    john.send("join_room", { roomId });
    for (const message of SAID_OFFLINE) john.send("send_message", { roomId, message });
    john.socket.connect();
    const heard = await jane.hearsMany("new_message", SAID_OFFLINE.length);
    assert.deepEqual(
      heard.map(({ message }) => message),
      SAID_OFFLINE,
    );
    assert.deepEqual([...john.all("disconnect"), ...john.all("error")], []);
  });
}

test("half an emoji, or an object too deep to read, is an error, and the connection goes on", async () => {
  const john = await inRoom("john", "unreadable", 0);
  const deep = JSON.parse(`${'{"a":'.repeat(200)}1${"}".repeat(200)}`);
  john.send("send_message", { roomId: "unreadable", message: "cut \ud83d" });
  await john.hearsMany("error", 1);
  john.send("sendMessage", deep);
  await john.hearsMany("error", 2);
  john.send("send_message", { roomId: "unreadable", message: "whole \ud83d\ude00" });
  assert.equal((await john.hears("new_message")).message, "whole \ud83d\ude00");
  assert.deepEqual(john.all("disconnect"), []);
});
