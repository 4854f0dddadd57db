// Somebody whose machine stops reading: engine.io and Socket.IO spoken by hand over a socket that is then left alone.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { until } from "./deadline.mjs";

/** Connects to the default namespace over WebSocket. `freeze` reads no more, `thaw` reads again, `isOver` says if it was dropped. */
export async function frozenReader(port) {
  const socket = connect(port, "127.0.0.1");
  let read = "";
  let isOver = false;
  socket.setEncoding("latin1").on("data", (chunk) => (read = (read + chunk).slice(-1_000_000)));
  socket.on("close", () => (isOver = true)).on("error", () => {});
  const saw = (text) => until(`the server says ${text}; it said ${read.slice(0, 2_000)}`, () => read.includes(text));

  const key = randomBytes(16).toString("base64");
  const head = ["GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", `Host: 127.0.0.1:${port}`, "Upgrade: websocket"];
  head.push("Connection: Upgrade", `Sec-WebSocket-Key: ${key}`, "Sec-WebSocket-Version: 13", "", "");
  socket.write(head.join("\r\n"));
  await saw('0{"sid"');
  socket.write(textFrame("40"));
  await saw('40{"sid"');
  return {
    /** Emits an event, as socket.io-client frames it. */
    send: (event, data) => socket.write(textFrame(`42${JSON.stringify([event, data])}`)),
    saw,
    freeze: () => socket.pause(),
    thaw: () => socket.resume(),
    isOver: () => isOver,
    close: () => socket.destroy(),
  };
}

/** RFC 6455, section 5.2: one masked text frame of at most 65,535 bytes. */
function textFrame(text) {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length])
      : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ mask[index % 4])]);
}
