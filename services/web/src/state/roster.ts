/** Who is in a room: attached now, typing now, and members. Pure. */

import type { EventFrame, MemberSummary, User, UserId } from "@klatch/client";

export interface Roster {
  /** Those attached whose names are known, by name; of a big room not all. */
  readonly here: readonly User[];
  readonly hereCount: number;
  /** Those typing, oneself never among them, and until when unless they go on. */
  readonly typing: readonly (User & { until: number })[];
  /** `null` until they were asked for. */
  readonly members: readonly MemberSummary[] | null;
}

/** The server repeats "typing" while somebody types; so long without, and they have stopped. */
export const TYPING_MS = 6_000;

export const emptyRoster: Roster = { here: [], hereCount: 0, typing: [], members: null };

/** Everyone attached, as a join or a question answered it. */
export function withHere(roster: Roster, users: readonly User[], userCount: number): Roster {
  return { ...roster, here: [...users].sort(byName), hereCount: userCount };
}

export function withFrame(roster: Roster, frame: EventFrame, self: UserId, now: number): Roster {
  switch (frame.event) {
    case "chat.userJoined":
      return arrived(roster, frame.data);
    case "chat.userLeft":
      return left(roster, frame.data);
    case "chat.presence":
      return frame.data.users.length > 0
        ? withHere(roster, frame.data.users, frame.data.userCount)
        : { ...roster, hereCount: frame.data.userCount };
    case "chat.typing":
      return frame.data.userId === self ? roster : typed(roster, frame.data, frame.data.isTyping, now);
    case "chat.message":
      return typed(roster, frame.data, false, now);
    default:
      return roster;
  }
}

/** Those who said so too long ago type no more. */
export function expired(roster: Roster, now: number): Roster {
  const typing = roster.typing.filter(({ until }) => until > now);
  return typing.length === roster.typing.length ? roster : { ...roster, typing };
}

/** The members with those who are here first, each part by name. */
export function sortedMembers(roster: Roster): { member: MemberSummary; isHere: boolean }[] {
  const here = new Set(roster.here.map(({ userId }) => userId));
  return (roster.members ?? [])
    .map((member) => ({ member, isHere: here.has(member.userId) }))
    .sort((one, other) => Number(other.isHere) - Number(one.isHere) || byName(one.member, other.member));
}

function arrived(roster: Roster, { userId, username }: User): Roster {
  if (roster.here.some((person) => person.userId === userId)) return roster;
  return withHere(roster, [...roster.here, { userId, username }], roster.hereCount + 1);
}

function left(roster: Roster, { userId }: User): Roster {
  const here = roster.here.filter((person) => person.userId !== userId);
  const typing = roster.typing.filter((person) => person.userId !== userId);
  return { ...roster, here, typing, hereCount: Math.max(here.length, roster.hereCount - 1) };
}

function typed(roster: Roster, { userId, username }: User, isTyping: boolean, now: number): Roster {
  const others = roster.typing.filter((person) => person.userId !== userId);
  if (isTyping) return { ...roster, typing: [...others, { userId, username, until: now + TYPING_MS }] };
  return others.length === roster.typing.length ? roster : { ...roster, typing: others };
}

function byName(one: User, other: User): number {
  return (one.username || one.userId).localeCompare(other.username || other.userId);
}
