/**
 * What a room shows: messages in their present state and notices, by sequence. Pure: each function makes a new
 * timeline out of an old one and what came.
 */

import type {
  Ack,
  HistoryItem,
  HistoryMessage,
  MemberChanged,
  MessageId,
  Outgoing,
  Person,
  RoomUpdated,
  ServerFrame,
} from "@klatch/client";

export type MessageItem = { kind: "message"; seq: number; data: HistoryMessage };

export type Item =
  | MessageItem
  | { kind: "member"; seq: number; data: MemberChanged }
  | { kind: "room"; seq: number; data: RoomUpdated };

export interface Timeline {
  /** By sequence, oldest first; no message twice. */
  readonly items: readonly Item[];
  /** Whether there is older history than `items`. */
  readonly more: boolean;
  /**
   * Edits and deletions of messages that are not here: a page that was asked for before may still bring the message
   * as it was. At most {@link CHANGES_MAX}.
   */
  readonly changes: ReadonlyMap<MessageId, Partial<HistoryMessage>>;
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
    .map((item) => (item.kind === "message" ? changed(item, timeline.changes.get(item.data.messageId)) : item));
  const items = [...fresh, ...timeline.items].sort((one, other) => one.seq - other.seq);
  return { ...timeline, items, more: page.more };
}

/** A frame of the server's. One that shows nothing leaves the timeline as it is. */
export function withFrame(timeline: Timeline, frame: ServerFrame): Timeline {
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
      return withChange(timeline, frame.data.messageId, { deleted: true });
    default:
      return timeline;
  }
}

/** Our own message, known by its acknowledgement before it comes as a frame, or instead. */
export function withSent(timeline: Timeline, { roomId, draft }: Outgoing, ack: Ack<"chat.message">, self: Person): Timeline {
  const { messageId, timestamp, seq } = ack;
  const { replyTo, ...said } = draft;
  const data: HistoryMessage = { messageType: "text", ...said, ...self, roomId, messageId, timestamp };
  if (replyTo !== undefined) data.replyTo = replyTo.messageId;
  return withItem(timeline, { kind: "message", seq, data });
}

export function find(timeline: Timeline, messageId: MessageId): MessageItem | undefined {
  for (let index = timeline.items.length - 1; index >= 0; index -= 1) {
    const item = timeline.items[index];
    if (item?.kind === "message" && item.data.messageId === messageId) return item;
  }
  return undefined;
}

/** The newest message that was not deleted. */
export function lastMessage(timeline: Timeline): MessageItem | null {
  const isMessage = (item: Item): item is MessageItem => item.kind === "message" && item.data.deleted !== true;
  return timeline.items.findLast(isMessage) ?? null;
}

/** Stable for as long as the item is shown, whatever happens to it. */
export function keyOf(item: Item): string {
  return item.kind === "message" ? item.data.messageId : String(item.seq);
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

function withChange(timeline: Timeline, messageId: MessageId, change: Partial<HistoryMessage>): Timeline {
  const at = timeline.items.findIndex((item) => item.kind === "message" && item.data.messageId === messageId);
  const item = timeline.items[at];
  if (item?.kind === "message") {
    return { ...timeline, items: timeline.items.with(at, changed(item, change)) };
  }
  const changes = new Map(timeline.changes);
  changes.set(messageId, { ...changes.get(messageId), ...change });
  const oldest = changes.keys().next();
  if (changes.size > CHANGES_MAX && !oldest.done) changes.delete(oldest.value);
  return { ...timeline, changes };
}

function changed<M extends MessageItem>(item: M, change: Partial<HistoryMessage> | undefined): M {
  if (change === undefined || item.data.deleted === true) return item;
  const data: HistoryMessage = { ...item.data, ...change };
  if (data.deleted === true) {
    // Nothing of it stays in memory either.
    delete data.message;
    delete data.attachments;
  }
  return { ...item, data };
}

function itemsOf(page: Page): Item[] {
  return page.events.flatMap((event) => itemOf(event as HistoryItem) ?? []);
}

/** What is shown of a frame; `null` for what changes others, and for what this page does not know yet. */
function itemOf({ event, seq, data }: HistoryItem | ServerFrame): Item | null {
  if (seq === undefined) return null;
  switch (event) {
    case "chat.message":
    case "chat.system":
      return { kind: "message", seq, data };
    case "chat.memberChanged":
      return { kind: "member", seq, data };
    case "chat.roomUpdated":
      return { kind: "room", seq, data };
    default:
      return null;
  }
}
