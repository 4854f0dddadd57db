// A user's plain WebSocket, as wscat has it: lines of JSON `{ event, data }`, and what comes back.

import WebSocket from "ws";

import { Listener } from "./listener.mjs";

/** Connects, and waits until it is open. */
export async function connect(name, address, headers = {}) {
  const socket = new WebSocket(address, { headers });
  const client = new Listener(name);
  socket.on("message", (data) => {
    const frame = JSON.parse(data.toString());
    client.note(frame.event, frame.data);
  });
  socket.on("close", (code) => client.note("close", code));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  socket.on("error", () => {});
  client.socket = socket;
  client.send = (event, data) => socket.send(JSON.stringify({ event, data }));
  client.sendText = (text) => socket.send(text);
  client.close = () => socket.close();
  return client;
}

/** Tries to connect where that must fail; the HTTP status of the refusal. */
export async function refusal(address, headers = {}) {
  const socket = new WebSocket(address, { headers });
  return new Promise((resolve, reject) => {
    socket.once("unexpected-response", (_, response) => resolve(response.statusCode));
    socket.once("open", () => reject(new Error(`${address} was not refused`)));
    socket.on("error", reject);
  });
}
