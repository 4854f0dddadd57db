// Somebody whose machine stops reading: engine.io and Socket.IO spoken by hand over a socket that is then left alone.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { until } from "./deadline.mjs";

/**
 * Connects to the default namespace over WebSocket. `freeze` reads no more, `thaw` reads again; `isOver` says whether
 * the server has said goodbye or hung up.
 */
export async function frozenReader(port) {
  const socket = connect(port, "127.0.0.1");
  const frames = new FrameReader();
  let isOver = false;
  socket.on("data", (chunk) => frames.read(chunk));
  socket
    .on("end", () => (isOver = true))
    .on("close", () => (isOver = true))
    .on("error", () => {});
  const saw = (text) =>
    until(`the server says ${text}; it said ${frames.texts}`, () => frames.texts.some((one) => one.includes(text)));

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
    isOver: () => isOver || frames.isClosed,
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

/** What the server sends: the HTTP head of the upgrade, then unmasked frames. Keeps the short texts. */
class FrameReader {
  texts = [];
  isClosed = false;
  #rest = Buffer.alloc(0);
  #isUpgraded = false;

  read(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (!this.#isUpgraded) {
      const end = this.#rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#isUpgraded = true;
      this.#rest = this.#rest.subarray(end + 4);
    }
    while (this.#frame());
  }

  #frame() {
    const bytes = this.#rest;
    if (bytes.length < 2) return false;
    const short = bytes[1] & 0x7f;
    const head = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < head) return false;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    if (bytes.length < head + length) return false;
    const CLOSE = 8;
    if ((bytes[0] & 0x0f) === CLOSE) this.isClosed = true;
    else if (length < 1_000) this.texts.push(bytes.toString("utf8", head, head + length));
    this.#rest = bytes.subarray(head + length);
    return true;
  }
}
