/** Reads new messages out to those who can't see them come: others' only, and never a page of history. */

import type { User } from "@klatch/client";
import { useRef } from "preact/hooks";
import type { Item } from "../state/timeline.js";

export function Announcer({ items, self, isReady }: { items: readonly Item[]; self: User; isReady: boolean }) {
  const last = items.at(-1);
  const heard = useRef<number | null>(null);
  const text = useRef("");
  if (isReady && heard.current === null) heard.current = last?.seq ?? 0;
  if (last !== undefined && heard.current !== null && last.seq > heard.current) {
    heard.current = last.seq;
    if (last.kind === "said" && last.data.userId !== self.userId) {
      text.current = `${last.data.username}: ${last.data.message}`;
    }
  }
  return (
    <p class="unseen" aria-live="polite" data-announcer>
      {text.current}
    </p>
  );
}
