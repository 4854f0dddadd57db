/** Frames and pages as a server sends them, short to write. */

import type { EventFrame, FrameOf, HistoryItem } from "@klatch/client";

export const at = (minute: number): string => new Date(Date.UTC(2026, 10, 21, 9, minute)).toISOString();

export function message(seq: number, text = `text ${seq}`, userId = "ben"): FrameOf<"chat.message"> {
  const data = { roomId: "r", messageId: `m${seq}`, userId, username: userId, message: text, timestamp: at(seq) };
  return { event: "chat.message", seq, data: { ...data, messageType: "text" } };
}

export function tombstone(seq: number): HistoryItem {
  const data = { roomId: "r", messageId: `m${seq}`, userId: "ben", deletedAt: at(59), deletedBy: "ben", timestamp: at(seq) };
  return { event: "chat.message", seq, data: { ...data, deleted: true } };
}

export function edited(messageSeq: number, text: string): EventFrame {
  const data = { roomId: "r", messageId: `m${messageSeq}`, userId: "ben", username: "Ben", message: text, timestamp: at(59) };
  return { event: "chat.messageEdited", seq: 999, prev: 998, data };
}

export function deleted(messageSeq: number): EventFrame {
  const who = { userId: "ben", username: "Ben", author: "ben" };
  const when = { sentAt: at(0), timestamp: at(59), position: { epoch: "e", seq: messageSeq } };
  return { event: "chat.messageDeleted", seq: 999, prev: 998, data: { roomId: "r", messageId: `m${messageSeq}`, ...who, ...when } };
}

export function roleChanged(seq: number): HistoryItem {
  const data = { roomId: "r", userId: "ben", username: "Ben", change: "role", role: "owner", timestamp: at(seq) } as const;
  return { event: "chat.memberChanged", seq, data };
}
