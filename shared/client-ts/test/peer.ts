/**
 * The other end, for what no well-behaved server does on purpose: it answers late, twice, never, or hangs up between
 * a message and its acknowledgement. It is a real WebSocket server with one log of timeline events for all rooms.
 */

import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";

interface ClientFrame {
  event: string;
  id?: string;
  data: Record<string, unknown> & { roomId?: string };
}

interface LogEntry {
  event: string;
  seq: number;
  prev: number;
  data: Record<string, unknown>;
}

/** Looks at a frame first; true where it took care of it. */
export type Intercept = (frame: ClientFrame, socket: WebSocket, peer: Peer) => boolean;

export class Peer {
  readonly #server: WebSocketServer;
  readonly #stored = new Map<string, LogEntry>();
  /** Every frame that came, of all connections, in order. */
  readonly received: ClientFrame[] = [];
  readonly protocols: string[][] = [];
  readonly log: LogEntry[] = [];
  epoch = "e1";
  welcome: Record<string, unknown> = { retry: { minMs: 1, maxMs: 5 } };
  intercept: Intercept = () => false;
  connections = 0;
  /** Says nothing at all, not even a welcome. */
  mute = false;
  /** Tokens that are refused, with the error code: before the upgrade, or as the answer to `chat.auth`. */
  readonly refused = new Map<string, string>();

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on("connection", (socket, request) => {
      this.connections += 1;
      this.protocols.push((request.headers["sec-websocket-protocol"] ?? "").split(/, */));
      socket.on("message", (bytes) => this.#receive(socket, JSON.parse(bytes.toString()) as ClientFrame));
      socket.on("error", () => {});
      if (!this.mute && this.#token(request) !== undefined) this.greet(socket);
    });
    server.options.verifyClient = ({ req }: { req: IncomingMessage }) => !this.refused.has(this.#token(req) ?? "");
  }

  #token(request: IncomingMessage): string | undefined {
    return request.headers["sec-websocket-protocol"]?.split("klatch.bearer.")[1];
  }

  static async start(): Promise<Peer> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "klatch.v1" });
    await once(server, "listening");
    return new Peer(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/chat/ws`;
  }

  async stop(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Cuts every connection without a word. */
  drop(): void {
    for (const socket of this.#server.clients) socket.terminate();
  }

  close(code: number, reason = ""): void {
    for (const socket of this.#server.clients) socket.close(code, reason);
  }

  greet(socket: WebSocket): void {
    const user = { userId: "ada", username: "Ada" };
    this.say(socket, { event: "chat.welcome", data: { sessionId: "s", user, limits: {}, ...this.welcome } });
  }

  say(socket: WebSocket, frame: object): void {
    socket.send(JSON.stringify(frame));
  }

  broadcast(frame: object): void {
    this.broadcastText(JSON.stringify(frame));
  }

  broadcastText(text: string): void {
    for (const socket of this.#server.clients) socket.send(text);
  }

  /** Somebody says something. */
  post(text: string, { live = true, messageId = `m${this.log.length + 1}` } = {}): LogEntry {
    const entry = this.#append(messageId, "ben", text);
    if (live) this.broadcast(entry);
    return entry;
  }

  joined(roomId: string, since: { epoch: string; seq: number } | undefined): Record<string, unknown> {
    const recovered = since === undefined ? undefined : since.epoch === this.epoch;
    const events = recovered === true ? this.log.filter(({ seq }) => seq > since!.seq) : this.log.slice(-50);
    const room = { roomId, type: "group", name: roomId, settings: { access: "open" }, archived: false };
    const seq = this.log.at(-1)?.seq ?? 0;
    return { roomId, epoch: this.epoch, seq, recovered, events, more: false, users: [], userCount: 0, member: null, room };
  }

  #append(messageId: string, userId: string, message: string): LogEntry {
    const prev = this.log.at(-1)?.seq ?? 0;
    const data = { roomId: "r", messageId, userId, username: userId, message, messageType: "text", timestamp: "" };
    const entry = { event: "chat.message", seq: prev + 10, prev, data };
    this.log.push(entry);
    return entry;
  }

  #receive(socket: WebSocket, frame: ClientFrame): void {
    this.received.push(frame);
    if (this.intercept(frame, socket, this)) return;
    const { event, id, data } = frame;
    if (event === "chat.join") {
      this.say(socket, { event: "chat.joined", data: this.joined(data.roomId!, data["since"] as never) });
    }
    const code = event === "chat.auth" ? this.refused.get(String(data["token"])) : undefined;
    if (code !== undefined) return this.say(socket, { event: "error", id, data: { code, message: code, retryable: false } });
    if (event === "chat.auth") this.greet(socket);
    const ack = event === "chat.message" ? this.store(id!, String(data["message"])) : {};
    if (id !== undefined) this.say(socket, { event: "ack", id, data: ack });
  }

  /** Stores a message once for each client id, as the log's guard does. */
  store(id: string, text: string): object {
    const known = this.#stored.get(id);
    const entry = known ?? this.#append(`m-${id}`, "ada", text);
    this.#stored.set(id, entry);
    if (known === undefined) this.broadcast(entry);
    return { roomId: "r", messageId: `m-${id}`, seq: entry.seq, epoch: this.epoch, timestamp: "" };
  }
}
