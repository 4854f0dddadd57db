/** What goes over the wire: which command takes what and is answered how, and which events come by themselves. */

import type {
  Attachment,
  MemberChanged,
  MessageDeleted,
  MessageEdited,
  MessageId,
  MessageSent,
  MessageType,
  Person,
  Position,
  Role,
  RoomId,
  RoomType,
  RoomUpdated,
  Settings,
  UserId,
} from "./types.js";

/** The answer to a command that stored something. */
export interface Stored {
  seq: number;
  epoch: string;
  roomId?: RoomId;
  messageId?: MessageId;
  timestamp?: string;
}

/** A room as its members see it. */
export interface Room {
  roomId: RoomId;
  type: RoomType;
  name: string;
  settings: Settings;
  archived: boolean;
}

/** The asker's own membership. */
export interface Membership {
  role: Role;
  muted?: boolean | { until?: string };
  until?: string;
}

/** A message as history has it: in its present state. */
export interface HistoryMessage extends Omit<MessageSent, "message"> {
  /** Not there once deleted. */
  message?: string;
  editedAt?: string;
  deleted?: true;
}

/** An item of a history page, shaped like a live frame. */
export type HistoryItem =
  | { event: "chat.message"; seq: number; data: HistoryMessage }
  | { event: "chat.system"; seq: number; data: HistoryMessage }
  | { event: "chat.memberChanged"; seq: number; data: MemberChanged }
  | { event: "chat.roomUpdated"; seq: number; data: RoomUpdated };

export interface HistoryPage {
  roomId: RoomId;
  /** Oldest first. */
  events: HistoryItem[];
  /** Whether there is more in the direction asked for. */
  more: boolean;
  epoch: string;
  seq: number;
}

/** The answer to attaching to a room. */
export interface Joined {
  roomId: RoomId;
  epoch: string;
  seq: number;
  /** True: `events` are all since the position asked for. False: it could not be served, `events` is the newest page. */
  recovered?: boolean;
  events: (HistoryItem | TimelineFrame)[];
  more: boolean;
  /** False where history could not be asked: `events` is empty then; ask `chat.history` later. */
  historyReady?: boolean;
  /** At most 100 of those attached, oneself included. */
  users: Person[];
  userCount: number;
  member: Membership | null;
  room: Room;
}

export interface RoomSummary {
  roomId: RoomId;
  type: RoomType;
  name: string;
  /** The newest that was not deleted, shaped like an item of history. */
  lastMessage: Extract<HistoryItem, { data: HistoryMessage }> | null;
  unread: number;
  mentions: number;
  seq: number;
}

export interface Member extends Person {
  role: Role;
  standing: string;
  muted?: boolean | { until?: string };
  until?: string;
}

export interface Draft {
  message: string;
  messageType?: Exclude<MessageType, "system">;
  replyTo?: { messageId: MessageId; seq: number };
  attachments?: Attachment[];
  mentions?: UserId[];
}

interface OnMember {
  roomId: RoomId;
  userId: UserId;
  reason?: string;
}

interface OnMessage {
  roomId: RoomId;
  messageId: MessageId;
  seq: number;
}

/** Each command, by name: what it takes, what its acknowledgement holds. */
export interface Commands {
  "chat.auth": { data: { token: string }; ack: object };
  "chat.join": { data: { roomId: RoomId; since?: Position; limit?: number }; ack: object };
  "chat.leave": { data: { roomId: RoomId }; ack: object };
  "chat.message": { data: Draft & { roomId: RoomId }; ack: Stored & { messageId: MessageId; timestamp: string } };
  "chat.edit": { data: OnMessage & { message: string }; ack: Stored };
  "chat.delete": { data: OnMessage; ack: Stored };
  "chat.typing": { data: { roomId: RoomId; isTyping: boolean }; ack: object };
  "chat.read": { data: { roomId: RoomId; seq: number }; ack: object };
  "chat.delivered": { data: { roomId: RoomId; seq: number }; ack: object };
  "chat.history": {
    data: { roomId: RoomId; before?: number; after?: number; around?: number; limit?: number };
    ack: HistoryPage;
  };
  "chat.createRoom": {
    data: { roomId?: RoomId; type: RoomType; name?: string; participants?: UserId[]; settings?: Partial<Settings> };
    ack: Stored & { roomId: RoomId };
  };
  "chat.updateRoom": { data: { roomId: RoomId; name?: string; settings?: Partial<Settings> }; ack: Stored };
  "chat.archiveRoom": { data: { roomId: RoomId; remove?: boolean }; ack: Stored };
  "chat.invite": { data: OnMember & { role?: Role }; ack: Stored };
  "chat.kick": { data: OnMember; ack: Stored };
  "chat.ban": { data: OnMember & { until?: string }; ack: Stored };
  "chat.unban": { data: OnMember; ack: Stored };
  "chat.mute": { data: OnMember & { until?: string; remove?: boolean }; ack: Stored };
  "chat.role": { data: OnMember & { role: Role }; ack: Stored };
  "chat.exit": { data: { roomId: RoomId }; ack: Stored };
  "chat.rooms": {
    data: { cursor?: string; limit?: number };
    ack: { rooms: RoomSummary[]; cursor?: string; epoch: string };
  };
  "chat.members": {
    data: { roomId: RoomId; cursor?: string; limit?: number };
    ack: { roomId: RoomId; members: Member[]; cursor?: string };
  };
  "chat.presence": { data: { roomId: RoomId }; ack: { roomId: RoomId; users: Person[]; userCount: number } };
  "chat.ping": { data: object; ack: object };
}

export type CommandName = keyof Commands;
export type CommandData<Name extends CommandName> = Commands[Name]["data"];
export type Ack<Name extends CommandName> = Commands[Name]["ack"];

export interface Welcome {
  sessionId: string;
  user: Person;
  limits: Record<string, number>;
  serverTime: string;
  retry: { minMs: number; maxMs: number };
}

export interface Goodbye {
  reason: string;
  reconnectAfterMs?: number;
  resume?: boolean;
}

export interface FailureData {
  code: string;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
}

/** Each event that the server sends by itself, by name: its data. */
export interface ServerEvents {
  "chat.message": MessageSent;
  "chat.messageEdited": MessageEdited;
  "chat.messageDeleted": MessageDeleted;
  "chat.memberChanged": MemberChanged;
  "chat.roomUpdated": RoomUpdated;
  "chat.roomCreated": { roomId: RoomId };
  "chat.presence": { roomId: RoomId; users: Person[]; userCount: number };
  "chat.userJoined": Person & { roomId: RoomId };
  "chat.userLeft": Person & { roomId: RoomId };
  "chat.typing": Person & { roomId: RoomId; isTyping: boolean };
  "chat.receipt": { roomId: RoomId; userId: UserId; delivered?: number; read?: number };
  /** The operator said something. */
  "chat.system": MessageSent;
}

export type ServerEventName = keyof ServerEvents;

/**
 * A server's frame. `seq` is the event's position in its room; `prev` that of the timeline event before it. An
 * event without `prev` is no part of the timeline that a resume replays.
 */
export type ServerFrame<Name extends ServerEventName = ServerEventName> = {
  [N in Name]: { event: N; data: ServerEvents[N]; seq?: number; prev?: number };
}[Name];

/** A frame of a room's timeline. */
export type TimelineFrame = ServerFrame & { seq: number; prev: number };

export function isTimelineFrame(frame: ServerFrame): frame is TimelineFrame {
  return typeof frame.seq === "number" && typeof frame.prev === "number";
}

/** A frame of any kind, before it is known which. */
export interface RawFrame {
  event: string;
  id?: string;
  data: Record<string, unknown>;
  seq?: number;
  prev?: number;
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
export function writeFrame<Name extends CommandName>(event: Name, data: CommandData<Name>, id?: string): string {
  return JSON.stringify(id === undefined ? { event, data } : { event, id, data });
}
