/**
 * What goes over the wire, by name: which request takes what and is answered how, which events come by themselves.
 * The shapes themselves are generated (`types.ts`); here they are only put in order.
 */

import type {
  Acks,
  ClientFrame,
  Message,
  MessageItem,
  SaidItem,
  SessionFrame,
  Stored,
  TimelineFrame,
} from "./types.js";

/** The name of a request. */
export type RequestName = ClientFrame["event"];

/** What a request takes. */
export type RequestData<Name extends RequestName> = Extract<ClientFrame, { event: Name }>["data"];

/** What its acknowledgement holds. */
export type Ack<Name extends RequestName> = Acks[Name];

/** A message as it is handed over to be sent. */
export type Draft = Omit<Message, "roomId" | "username">;

/** The acknowledgement of a message that is stored. */
export type SentAck = Stored & Required<Pick<Stored, "messageId">>;

/** An event about the session itself; the client deals with it. */
type OfTheSession = "chat.welcome" | "chat.joined" | "chat.goodbye" | "ack" | "error";

/** A frame of the timeline as it comes live: a message just said is not deleted yet. */
type LiveFrame<Frame = TimelineFrame> = Frame extends { data: MessageItem } ? Frame & { data: SaidItem } : Frame;

/** An event of the server's that is told to whoever listens for it. */
export type EventFrame = LiveFrame | Exclude<SessionFrame, { event: OfTheSession }>;

export type EventName = EventFrame["event"];

/** The frame of an event, by name. */
export type FrameOf<Name extends EventName> = Extract<EventFrame, { event: Name }>;

/**
 * A frame that has its place in the chain of a room's timeline: live, or recovered. An item of a history page has none,
 * nor has the news of a join, which lies elsewhere in the log.
 */
export type ChainedFrame = LiveFrame & { prev: number };

export function isChained(frame: EventFrame): frame is ChainedFrame {
  return "seq" in frame && typeof frame.prev === "number";
}

/** An item of a history page: a message in its present state, or a notice. */
export type HistoryItem = Extract<TimelineFrame, { data: MessageItem } | { event: "chat.memberChanged" | "chat.roomUpdated" }>;

/** A frame of any kind, before it is known which. */
export interface RawFrame {
  event: string;
  id?: string;
  data: Record<string, unknown>;
}

/** Reads a text frame. `null` where it is none of ours: a server newer than this SDK is no reason to fail. */
export function parseFrame(text: string): RawFrame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { event, data } = value as Partial<RawFrame>;
  if (typeof event !== "string" || typeof data !== "object" || data === null) return null;
  return value as RawFrame;
}

/** Writes a client's frame. */
export function writeFrame<Name extends RequestName>(event: Name, data: RequestData<Name>, id?: string): string {
  return JSON.stringify(id === undefined ? { event, data } : { event, id, data });
}
