/** Frames and pages as a server sends them, short to write. */

import type { HistoryItem, ServerFrame } from "@klatch/client";

export const at = (minute: number): string => new Date(Date.UTC(2026, 10, 21, 9, minute)).toISOString();

export function message(seq: number, text = `text ${seq}`, userId = "ben", minute = seq): Extract<HistoryItem, { event: "chat.message" }> {
  const data = { roomId: "r", messageId: `m${seq}`, userId, username: userId, message: text, timestamp: at(minute) };
  return { event: "chat.message", seq, data: { ...data, messageType: "text" } };
}

export const frame = (seq: number, text?: string, userId?: string): ServerFrame => message(seq, text, userId) as ServerFrame;

export function edited(messageSeq: number, text: string): ServerFrame {
  const data = { roomId: "r", messageId: `m${messageSeq}`, userId: "ben", username: "Ben", message: text, timestamp: at(59) };
  return { event: "chat.messageEdited", seq: 999, prev: 998, data };
}

export function deleted(messageSeq: number): ServerFrame {
  const who = { userId: "ben", username: "Ben", author: "ben" };
  const when = { sentAt: at(0), timestamp: at(59), position: { epoch: "e", seq: messageSeq } };
  return { event: "chat.messageDeleted", seq: 999, prev: 998, data: { roomId: "r", messageId: `m${messageSeq}`, ...who, ...when } };
}

export function roleChanged(seq: number): Extract<HistoryItem, { event: "chat.memberChanged" }> {
  const data = { roomId: "r", userId: "ben", username: "Ben", change: "role", role: "owner", timestamp: at(seq) } as const;
  return { event: "chat.memberChanged", seq, data };
}
