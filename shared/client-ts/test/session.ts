/** A client and its peer for one test, both gone at its end. */

import type { TestContext } from "node:test";
import { WebSocket } from "ws";
import { Client, type ClientEvents, type ClientOptions, type Socket } from "../src/index.js";
import { Peer } from "./peer.js";

export interface Session {
  peer: Peer;
  client: Client;
  /** Waits for the next event of a name that satisfies the condition. */
  next<Name extends keyof ClientEvents>(
    name: Name,
    condition?: (event: ClientEvents[Name]) => boolean,
  ): Promise<ClientEvents[Name]>;
  /** The texts of the messages that were delivered, in order. */
  heard: string[];
}

export const openSocket = (url: string, protocols: string[]): Socket =>
  new WebSocket(url, protocols) as unknown as Socket;

export async function session(test: TestContext, options: Partial<ClientOptions> = {}): Promise<Session> {
  const peer = await Peer.start();
  const limits = { reconnectMsMin: 1, reconnectMsMax: 5, ...options.limits };
  const client = new Client({ url: peer.url, token: "t.o.k", openSocket, ...options, limits });
  test.after(async () => {
    client.close();
    await peer.stop();
  });
  const heard: string[] = [];
  client.on("chat.message", ({ data }) => heard.push(data.message));
  const next: Session["next"] = (name, condition = () => true) =>
    new Promise((resolve, reject) => {
      const overdue = setTimeout(() => reject(new Error(`no ${name} within 5 s`)), 5_000);
      const off = client.on(name, (event) => {
        if (!condition(event)) return;
        clearTimeout(overdue);
        off();
        resolve(event);
      });
    });
  return { peer, client, next, heard };
}

export async function online(test: TestContext, options: Partial<ClientOptions> = {}): Promise<Session> {
  const made = await session(test, options);
  const welcome = made.next("welcome");
  made.client.connect();
  await welcome;
  return made;
}
