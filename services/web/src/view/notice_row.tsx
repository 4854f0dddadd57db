/** What happened besides messages: one quiet line. */

import type { Item } from "../state/timeline.js";
import { memberSentence, roomSentence } from "../text/notices.js";
import { clockTime } from "../text/time.js";
import { memo } from "./memo.js";

type NoticeItem = Extract<Item, { kind: "member" | "room" }>;

export const NoticeRow = memo(({ item }: { item: NoticeItem }) => (
  <p class="event-line">
    {item.kind === "member" ? memberSentence(item.data) : roomSentence(item.data)}
    <time dateTime={item.data.timestamp}>{clockTime(item.data.timestamp)}</time>
  </p>
));
