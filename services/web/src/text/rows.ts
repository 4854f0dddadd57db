/** From items to what is drawn: days set apart, messages of one person close together, the line above what is new. */

import type { Deleted, Item, Said } from "../state/timeline.js";
import { dayKey } from "./time.js";

export type Row =
  | { kind: "day"; key: string; timestamp: string }
  | { kind: "new"; key: string }
  | { kind: "item"; key: string; item: Item; isFirst: boolean };

/** Further apart than this, a message begins a group of its own. */
const GROUP_MS = 5 * 60_000;

/**
 * @param newFrom the sequence of the first message that the person had not read; `null` for none.
 */
export function rowsOf(items: readonly Item[], newFrom: number | null, keyOf: (item: Item) => string): Row[] {
  const rows: Row[] = [];
  let before: Item | null = null;
  for (const item of items) {
    const { timestamp } = item.data;
    const isNewDay = before === null || dayKey(before.data.timestamp) !== dayKey(timestamp);
    const isNew = item.seq === newFrom;
    if (isNewDay) rows.push({ kind: "day", key: `day ${keyOf(item)}`, timestamp });
    if (isNew) rows.push({ kind: "new", key: "new" });
    const isFirst = isNewDay || isNew || before === null || !isSameGroup(before, item);
    rows.push({ kind: "item", key: keyOf(item), item, isFirst });
    before = item;
  }
  return rows;
}

/** Where the unread begin: at the last `unread` messages of others. `null` where that lies before what is loaded. */
export function newFrom(items: readonly Item[], unread: number, self: string): number | null {
  let left = unread;
  for (let index = items.length - 1; index >= 0 && left > 0; index -= 1) {
    const item = items[index]!;
    if (item.kind !== "said" || item.data.userId === self) continue;
    left -= 1;
    if (left === 0) return item.seq;
  }
  return null;
}

/** Whether a message of one's own, said now, would begin a group under `last`. */
export function beginsGroup(last: Item | undefined, self: string, now: number): boolean {
  if (last?.kind !== "said" || last.data.userId !== self || isSystem(last)) return true;
  return now - Date.parse(last.data.timestamp) >= GROUP_MS;
}

function isSameGroup(before: Item, item: Item): boolean {
  return (
    isMessage(before) &&
    isMessage(item) &&
    before.data.userId === item.data.userId &&
    !isSystem(before) &&
    !isSystem(item) &&
    Date.parse(item.data.timestamp) - Date.parse(before.data.timestamp) < GROUP_MS
  );
}

function isMessage(item: Item): item is Said | Deleted {
  return item.kind === "said" || item.kind === "deleted";
}

function isSystem(item: Item): boolean {
  return item.kind === "said" && item.data.messageType === "system";
}
