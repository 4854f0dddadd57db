// The session of seed 004 with the npm package `ws`: frames, cookie, statistics and system message as its document
// writes them. Nothing here knows of Klatch but the token's mint.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import WebSocket from "ws";

import { INTERNAL_API_KEY, start, token } from "./system.mjs";

const WAIT_MS_MAX = 10_000;
let system;

before(async () => (system = await start()));
after(() => system?.stop());

/** A client as the document's wscat line makes it, which keeps all that it hears. */
async function connect(user, name) {
  const socket = new WebSocket(`${system.ws}/chat/ws`, {
    headers: { Cookie: `access_token=${await token(user, name)}` },
  });
  const heard = [];
  const waiting = new Set();
  socket.on("message", (data) => {
    heard.push(JSON.parse(data.toString()));
    for (const look of waiting) look();
  });
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return {
    heard,
    send: (event, data) => socket.send(JSON.stringify({ event, data })),
    sendText: (text) => socket.send(text),
    close: () => socket.close(),
    /** The first frame of this event, heard already or to come, whose data fits. */
    hears(event, fits = () => true) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`${name} did not hear ${event}; heard ${JSON.stringify(heard)}`));
        }, WAIT_MS_MAX);
        const look = () => {
          const frame = heard.find((frame) => frame.event === event && fits(frame.data));
          if (!frame) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(frame.data);
        };
        waiting.add(look);
        look();
      });
    },
  };
}

function includes(data, fields) {
  for (const [name, value] of Object.entries(fields)) assert.deepEqual(data[name], value, name);
}

test("join room: confirmation to oneself, notification to the others", async () => {
  const [john, jane] = [await connect("1", "John"), await connect("2", "Jane")];
  john.send("chat.join", { roomId: "room123" });
  includes(await john.hears("chat.joined"), { roomId: "room123" });
  jane.send("chat.join", { roomId: "room123" });
  includes(await jane.hears("chat.joined"), { roomId: "room123" });
  includes(await john.hears("chat.userJoined"), { userId: "2", roomId: "room123" });
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
    includes(message, { roomId: "talk", userId: "1", username: "John", message: "Hello world!" });
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
  includes(await jane.hears("chat.typing"), { userId: "1", username: "John", isTyping: true });
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
  includes(await john.hears("chat.userLeft", (data) => data.userId === "2"), { roomId: "leaving" });
  jim.close();
  includes(await john.hears("chat.userLeft", (data) => data.userId === "3"), { roomId: "leaving" });
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
  includes(said, { roomId: "maintenance", message: "Server maintenance in 5 minutes" });
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
  const connected = async () => (await (await stats({ "x-internal-api-key": INTERNAL_API_KEY })).json()).connectedUsers;
  const clients = [await connect("a", "A"), await connect("a", "A"), await connect("b", "B")];
  await Promise.all(clients.map((client) => client.hears("chat.welcome")));
  const deadline = Date.now() + WAIT_MS_MAX;
  while ((await connected()) !== 2 && Date.now() < deadline);
  assert.equal(await connected(), 2);
  for (const client of clients) client.close();
});

test("authentication: without a valid cookie there is no session", async () => {
  const refused = new WebSocket(`${system.ws}/chat/ws`, { headers: { Cookie: "access_token=forged" } });
  const status = await new Promise((resolve) =>
    refused.once("unexpected-response", (_, response) => resolve(response.statusCode)).once("error", () => {}),
  );
  assert.equal(status, 401);
});
