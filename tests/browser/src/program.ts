/** A person's own program beside their page: the SDK in node. */

import { Client, type Socket } from "@klatch/client";
import { WebSocket } from "ws";
import type { Klatch } from "./klatch.js";

export async function program(klatch: Klatch, username: string): Promise<Client> {
  const person = (await klatch.demoPeople()).find((demo) => demo.username === username);
  const openSocket = (url: string, protocols: string[]): Socket => new WebSocket(url, protocols) as unknown as Socket;
  const client = new Client({ url: `ws://127.0.0.1:${klatch.port}/chat/ws`, token: person?.token ?? "", openSocket });
  client.connect();
  return client;
}
