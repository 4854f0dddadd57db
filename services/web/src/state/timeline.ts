/**
 * What a room shows: messages in their present state and notices, by sequence. Pure: each function makes a new
 * timeline out of an old one and what came.
 */

import type {
  EventFrame,
  HistoryItem,
  MemberChanged,
  MessageId,
  Outgoing,
  RoomUpdated,
  SaidItem,
  SentAck,
  Tombstone,
  User,
} from "@klatch/client";

/** A message in its present state. */
export type Said = { kind: "said"; seq: number; data: SaidItem };

/** A message that was deleted: that there was one, and whose. Their name only where it was seen here before. */
export type Deleted = {
  kind: "deleted";
  seq: number;
  data: Pick<Tombstone, "messageId" | "userId" | "timestamp">;
  username: string | null;
};

export type Item =
  | Said
  | Deleted
  | { kind: "member"; seq: number; data: MemberChanged }
  | { kind: "room"; seq: number; data: RoomUpdated };

/** What an edit or a deletion does to a message. */
type Change = "deleted" | Pick<SaidItem, "message" | "editedAt">;

export interface Timeline {
  /** By sequence, oldest first; no message twice. */
  readonly items: readonly Item[];
  /** Whether there is older history than `items`. */
  readonly more: boolean;
  /**
   * Edits and deletions of messages that are not here: a page that was asked for before may still bring the message
   * as it was. At most {@link CHANGES_MAX}.
   */
  readonly changes: ReadonlyMap<MessageId, Change>;
}

/** A page of history, or the events of a join. */
export interface Page {
  events: readonly { event: string; seq?: number; data: unknown }[];
  more: boolean;
}

/** Past so many items the oldest go; scrolling up loads them again. */
export const ITEMS_MAX = 4_000;
const CHANGES_MAX = 256;

export const emptyTimeline: Timeline = { items: [], more: false, changes: new Map() };

/** The newest page, in place of whatever was there. */
export function fromPage(page: Page): Timeline {
  return { items: itemsOf(page), more: page.more, changes: new Map() };
}

/** A page put under what is there: what is there already stays as it is. */
export function withPage(timeline: Timeline, page: Page): Timeline {
  const known = new Set(timeline.items.map(keyOf));
  const fresh = itemsOf(page)
    .filter((item) => !known.has(keyOf(item)))
    .map((item) => (item.kind === "said" ? changed(item, timeline.changes.get(item.data.messageId)) : item));
  const items = [...fresh, ...timeline.items].sort((one, other) => one.seq - other.seq);
  return { ...timeline, items, more: page.more };
}

/** A frame of the server's. One that shows nothing leaves the timeline as it is. */
export function withFrame(timeline: Timeline, frame: EventFrame): Timeline {
  switch (frame.event) {
    case "chat.message":
    case "chat.system":
    case "chat.roomUpdated":
    case "chat.memberChanged": {
      const item = itemOf(frame);
      return item === null ? timeline : withItem(timeline, item);
    }
    case "chat.messageEdited":
      return withChange(timeline, frame.data.messageId, {
        message: frame.data.message,
        editedAt: frame.data.timestamp,
      });
    case "chat.messageDeleted":
      return withChange(timeline, frame.data.messageId, "deleted");
    default:
      return timeline;
  }
}

/** Our own message, known by its acknowledgement before it comes as a frame, or instead. */
export function withSent(timeline: Timeline, { roomId, draft }: Outgoing, ack: SentAck, self: User): Timeline {
  const { messageId, timestamp, seq } = ack;
  const { replyTo, ...said } = draft;
  const data: SaidItem = { messageType: "text", ...said, ...self, roomId, messageId, timestamp };
  if (replyTo !== undefined) data.replyTo = replyTo.messageId;
  return withItem(timeline, { kind: "said", seq, data });
}

/** A message that was not deleted. */
export function find(timeline: Timeline, messageId: MessageId): Said | undefined {
  return timeline.items.findLast((item): item is Said => item.kind === "said" && item.data.messageId === messageId);
}

/** The newest message that was not deleted. */
export function lastSaid(timeline: Timeline): Said | null {
  return timeline.items.findLast((item): item is Said => item.kind === "said") ?? null;
}

/** Stable for as long as the item is shown, whatever happens to it. */
export function keyOf(item: Item): string {
  return item.kind === "said" || item.kind === "deleted" ? item.data.messageId : String(item.seq);
}

function withItem(timeline: Timeline, item: Item): Timeline {
  const { items } = timeline;
  const key = keyOf(item);
  // News belong at the end or close to it.
  let at = items.length;
  while (at > 0 && items[at - 1]!.seq > item.seq) at -= 1;
  if (items.some((other) => keyOf(other) === key)) return timeline;
  const grown = items.toSpliced(at, 0, item);
  if (grown.length <= ITEMS_MAX) return { ...timeline, items: grown };
  return { ...timeline, items: grown.slice(grown.length - ITEMS_MAX), more: true };
}

function withChange(timeline: Timeline, messageId: MessageId, change: Change): Timeline {
  const at = timeline.items.findIndex((item) => keyOf(item) === messageId);
  const item = timeline.items[at];
  if (item?.kind === "said") return { ...timeline, items: timeline.items.with(at, changed(item, change)) };
  if (item !== undefined || timeline.changes.get(messageId) === "deleted") return timeline;
  const changes = new Map(timeline.changes).set(messageId, change);
  const oldest = changes.keys().next();
  if (changes.size > CHANGES_MAX && !oldest.done) changes.delete(oldest.value);
  return { ...timeline, changes };
}

/** Of a deleted message nothing stays in memory either. */
function changed(item: Said, change: Change | undefined): Said | Deleted {
  if (change === undefined) return item;
  if (change !== "deleted") return { ...item, data: { ...item.data, ...change } };
  const { messageId, userId, timestamp, username } = item.data;
  return { kind: "deleted", seq: item.seq, data: { messageId, userId, timestamp }, username };
}

function itemsOf(page: Page): Item[] {
  return page.events.flatMap((event) => itemOf(event as HistoryItem) ?? []);
}

/** What is shown of a frame; `null` for what changes others, for what lies elsewhere, and for what is not known here. */
function itemOf(frame: HistoryItem | EventFrame): Item | null {
  if (!("seq" in frame)) return null;
  const { event, seq, data } = frame;
  switch (event) {
    case "chat.message":
    case "chat.system":
      return "deleted" in data ? { kind: "deleted", seq, data, username: null } : { kind: "said", seq, data };
    case "chat.memberChanged":
      return { kind: "member", seq, data };
    case "chat.roomUpdated":
      return { kind: "room", seq, data };
    default:
      return null;
  }
}
