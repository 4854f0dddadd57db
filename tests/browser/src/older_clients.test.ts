/** The page and the clients of an older service in one room: each reads the other, in its own names. */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { io, type Socket } from "socket.io-client";
import { until } from "./deadline.js";
import { Stage } from "./stage.js";

const file = Stage.forFile();
const sockets: Socket[] = [];
after(() => sockets.forEach((socket) => socket.disconnect()));

interface NewMessage {
  roomId: string;
  userId: string;
  username: string;
  message: string;
  timestamp: number;
}

/** Seed 001's client as its document has it, in a room. */
async function olderClient(userId: string, username: string, roomId: string): Promise<{ socket: Socket; heard: NewMessage[] }> {
  const socket = io(file.stage.klatch.url, { transports: ["websocket"], forceNew: true });
  sockets.push(socket);
  const heard: NewMessage[] = [];
  const joined = new Promise((resolve) => socket.once("room_users", resolve));
  socket.on("new_message", (data: NewMessage) => heard.push(data));
  socket.on("connect", () => {
    socket.emit("authenticate", { userId, username });
    socket.emit("join_room", { roomId });
  });
  await joined;
  return { socket, heard };
}

test("the page reads a room in which a client of seed 001 speaks, and is read there", async () => {
  const john = await olderClient("user-123", "john_doe", "room-123");
  const ada = await file.stage.enter("Ada");
  await ada.join("room-123");
  await ada.here("john_doe").waitFor();

  john.socket.emit("send_message", { roomId: "room-123", message: "Hello everyone!" });
  await ada.sees("Hello everyone!");
  await ada.message("Hello everyone!").locator("strong", { hasText: "john_doe" }).waitFor();
  await ada.say("Hello, John");
  const answer = await until("John hears it", () => john.heard.find(({ userId }) => userId === "ada") ?? null);
  assert.deepEqual([answer.roomId, answer.username, answer.message], ["room-123", "Ada", "Hello, John"]);
  assert.equal(typeof answer.timestamp, "number");

  john.socket.emit("typing", { roomId: "room-123", isTyping: true });
  await ada.page.getByText("john_doe is typing").waitFor();
  await ada.page.reload();
  await ada.inRoom("room-123");
  await ada.sees("Hello, John");
  assert.deepEqual(await ada.texts(), ["Hello everyone!", "Hello, John"]);
});

test("a name of an older client that looks like markup is text on the page", async () => {
  const name = `<img src=x onerror="document.title='run'">`;
  const mallory = await olderClient("user-666", name, "room-666");
  const ada = await file.stage.enter("Ada");
  await ada.join("room-666");
  mallory.socket.emit("send_message", { roomId: "room-666", message: "look at my name" });
  await ada.sees("look at my name");
  await ada.message("look at my name").locator("strong", { hasText: name }).waitFor();
  await ada.here(name).waitFor();
  assert.equal(await ada.page.locator("img").count(), 0);
  assert.doesNotMatch(await ada.page.title(), /^run/);
});
