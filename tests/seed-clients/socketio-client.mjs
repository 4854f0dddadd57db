// A user's socket of `socket.io-client`, and what it hears.

import { io } from "socket.io-client";

import { Listener } from "./listener.mjs";

/** Connects; does not wait. `address` is an edge's, with the namespace; `options` are socket.io-client's own. */
export function open(name, address, options = {}) {
  // One connection each, as two browsers have them: the package would share one otherwise.
  const socket = io(address, { forceNew: true, ...options });
  return listen(name, socket);
}

/** Connects, and waits until the server has said yes. */
export async function connect(name, address, options = {}) {
  const client = open(name, address, options);
  await client.hears("connect");
  return client;
}

/** A listener on a socket that somebody made. */
export function listen(name, socket) {
  const client = new Listener(name);
  socket.onAny((event, data) => client.note(event, data));
  // The package's own three, which `onAny` leaves out.
  socket.on("connect", () => client.note("connect"));
  socket.on("connect_error", (error) => client.note("connect_error", { message: error.message }));
  socket.on("disconnect", (reason) => client.note("disconnect", reason));
  client.socket = socket;
  client.send = (event, ...data) => socket.emit(event, ...data);
  /** Emits with an acknowledgement callback, and waits for its argument. */
  client.asks = (event, ...data) => socket.timeout(20_000).emitWithAck(event, ...data);
  client.close = () => socket.disconnect();
  return client;
}

/** Closes all of them, whatever became of them. */
export function closeAll(clients) {
  for (const client of clients) client?.close();
}
