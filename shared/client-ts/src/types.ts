// The data of frames. Follows the JSON Schemas in `schemas/`.

export type RoomId = string;
export type UserId = string;
export type MessageId = string;

export interface Position {
  epoch: string;
  seq: number;
}

export type Role = "reader" | "member" | "moderator" | "owner";
export type RoomType = "direct" | "group" | "channel";
export type Access = "open" | "private";
export type MessageType = "text" | "image" | "file" | "system";
export type Change =
  | "joined"
  | "accepted"
  | "exited"
  | "invited"
  | "kicked"
  | "banned"
  | "unbanned"
  | "muted"
  | "unmuted"
  | "role";

export interface Attachment {
  url: string;
  name?: string;
  contentType?: string;
  size?: number;
}

export interface Settings {
  access: Access;
  history?: "beginning" | "joined";
}

export interface Person {
  userId: UserId;
  username: string;
}

export interface MessageSent {
  roomId: RoomId;
  messageId: MessageId;
  userId: UserId;
  username: string;
  avatar?: string;
  message: string;
  messageType: MessageType;
  timestamp: string;
  replyTo?: MessageId;
  attachments?: Attachment[];
  mentions?: UserId[];
}

export interface MessageEdited {
  roomId: RoomId;
  messageId: MessageId;
  userId: UserId;
  username: string;
  message: string;
  timestamp: string;
}

export interface MessageDeleted {
  roomId: RoomId;
  messageId: MessageId;
  userId: UserId;
  username: string;
  author: UserId;
  position: Position;
  sentAt: string;
  timestamp: string;
}

export interface MemberChanged {
  roomId: RoomId;
  userId: UserId;
  username: string;
  change: Change;
  role?: Role;
  by?: UserId;
  reason?: string;
  until?: string;
  timestamp: string;
}

export interface RoomUpdated {
  roomId: RoomId;
  name: string;
  settings: Settings;
  archived: boolean;
  by: UserId;
  timestamp: string;
}
