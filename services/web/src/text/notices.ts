/** What happened in a room besides messages, as a sentence. */

import type { MemberChanged, RoomUpdated } from "@klatch/client";

export function memberSentence(change: MemberChanged): string {
  const who = change.username || change.userId;
  const by = change.by === undefined ? "" : ` by ${change.by}`;
  const why = change.reason === undefined ? "" : `: ${change.reason}`;
  switch (change.change) {
    case "joined":
      return `${who} joined`;
    case "accepted":
      return `${who} accepted the invitation`;
    case "exited":
      return `${who} left the room`;
    case "invited":
      return `${who} was invited${by}`;
    case "kicked":
      return `${who} was removed${by}${why}`;
    case "banned":
      return `${who} was banned${by}${why}`;
    case "unbanned":
      return `${who} may come back`;
    case "muted":
      return `${who} was muted${by}${why}`;
    case "unmuted":
      return `${who} may write again`;
    case "role":
      return `${who} is now ${article(change.role ?? "member")}`;
    default:
      return `Something changed for ${who}`; // a newer server's word
  }
}

export function roomSentence({ name, archived, by }: RoomUpdated): string {
  return archived ? `${by} archived the room` : `${by} changed the room: ${name}`;
}

function article(role: string): string {
  return role === "owner" ? "an owner" : `a ${role}`;
}
