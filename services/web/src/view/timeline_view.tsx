/** The conversation as it went, and what one's own messages on their way look like below it. */

import type { User } from "@klatch/client";
import { useMemo, useRef, useState } from "preact/hooks";
import { nameIn, type RoomState } from "../state/room.js";
import { keyOf } from "../state/timeline.js";
import { beginsGroup, newFrom, rowsOf, type Row } from "../text/rows.js";
import { dayLabel } from "../text/time.js";
import { Announcer } from "./announcer.js";
import { Icon } from "./icon.js";
import { MessageRow, type MessageActions } from "./message_row.js";
import { NoticeRow } from "./notice_row.js";
import { PendingRow } from "./pending_row.js";
import { useScroll } from "./use_scroll.js";

interface Props extends MessageActions {
  state: RoomState;
  self: User;
  title: string;
  unreadAtOpening: number;
  /** The message that is being edited. */
  editing: string | null;
  onOlder: () => void;
  onAtEnd: (isAtEnd: boolean) => void;
  onRetry: (id: string) => void;
  onDiscard: (id: string) => void;
}

export function TimelineView(props: Props) {
  const { state, self, title, unreadAtOpening, onOlder, onAtEnd } = props;
  const { timeline, pending, phase, loadingOlder, historyReady } = state;
  const { items, more } = timeline;
  const isReady = phase.is !== "joining";

  const firstNew = useRef<number | null | undefined>(undefined);
  if (isReady && firstNew.current === undefined) firstNew.current = newFrom(items, unreadAtOpening, self.userId);
  const rows = useMemo(() => rowsOf(items, firstNew.current ?? null, keyOf), [items]);

  const scroll = useScroll({ first: items[0]?.seq, last: items.at(-1)?.seq, count: items.length + pending.length, onOlder, onAtEnd });
  const [current, setCurrent] = useState<string | null>(null);
  const currentKey = current ?? lastItemKey(rows);

  return (
    <div class="timeline-place">
      <div
        class="timeline"
        ref={scroll.box}
        role="log"
        aria-label={`Messages in ${title}`}
        aria-live="off"
        aria-busy={!isReady || loadingOlder}
        onKeyDown={moveAmongRows}
      >
        <div class="timeline-inside" ref={scroll.content}>
          {isReady && more && (
            <div class="older" ref={scroll.top}>
              {loadingOlder && <span class="spinner" aria-hidden="true" />}
              <span class="unseen" role="status">
                {loadingOlder ? "Loading older messages" : ""}
              </span>
            </div>
          )}
          {isReady && !more && historyReady && <Beginning title={title} isEmpty={items.length === 0} />}
          {(!isReady || !historyReady) && <MessageSkeletons />}
          {rows.map((row) => (
            <RowView key={row.key} row={row} {...props} isCurrent={row.key === currentKey} onFocusRow={setCurrent} />
          ))}
          {pending.map((outgoing, index) => (
            <PendingRow
              key={outgoing.id}
              outgoing={outgoing}
              self={self}
              isFirst={index === 0 && beginsGroup(items.at(-1), self.userId, outgoing.submittedAt)}
              onRetry={props.onRetry}
              onDiscard={props.onDiscard}
            />
          ))}
        </div>
      </div>
      {!scroll.isAtEnd && (
        <button type="button" class="to-end" onClick={scroll.toEnd}>
          <Icon name="down" />
          {scroll.news > 0 ? `${scroll.news} new` : "Latest"}
        </button>
      )}
      <Announcer items={items} self={self} isReady={isReady} />
    </div>
  );
}

interface RowProps extends Props {
  row: Row;
  isCurrent: boolean;
  onFocusRow: (key: string) => void;
}

function RowView({ row, ...props }: RowProps) {
  if (row.kind === "day") {
    return (
      <h2 class="day">
        <span>{dayLabel(row.timestamp, new Date())}</span>
      </h2>
    );
  }
  if (row.kind === "new") {
    return (
      <p class="new-line">
        <span>New</span>
      </p>
    );
  }
  const { item, isFirst, key } = row;
  if (item.kind === "member" || item.kind === "room") return <NoticeRow item={item} />;
  const { self, state, editing, isCurrent, onFocusRow, onEdit, onEdited, onDelete } = props;
  const isOwn = item.data.userId === self.userId;
  const mayModerate = state.member?.role === "moderator" || state.member?.role === "owner";
  return (
    <MessageRow
      rowKey={key}
      item={item}
      name={item.kind === "said" ? item.data.username : (item.username ?? nameIn(state, item.data.userId))}
      isFirst={isFirst}
      isOwn={isOwn}
      mayDelete={isOwn || mayModerate}
      isEditing={editing === item.data.messageId}
      isCurrent={isCurrent}
      onFocusRow={onFocusRow}
      onEdit={onEdit}
      onEdited={onEdited}
      onDelete={onDelete}
    />
  );
}

function Beginning({ title, isEmpty }: { title: string; isEmpty: boolean }) {
  return (
    <div class="beginning">
      <h2>{title}</h2>
      <p>{isEmpty ? "Nothing has been said here yet. The first word is yours." : "This is where it began."}</p>
    </div>
  );
}

function MessageSkeletons() {
  return (
    <div class="skeletons" role="status">
      <span class="unseen">Loading messages</span>
      {["short", "long", "middle", "long", "short"].map((length, index) => (
        <div key={index} class="skeleton-message" aria-hidden="true">
          <span class="skeleton skeleton-avatar" />
          <span class={`skeleton skeleton-text skeleton-${length}`} />
        </div>
      ))}
    </div>
  );
}

function lastItemKey(rows: Row[]): string | null {
  return rows.findLast((row) => row.kind === "item" && (row.item.kind === "said" || row.item.kind === "deleted"))?.key ?? null;
}

/** Up and down go from message to message; only one of them is a stop of the tabulator. */
function moveAmongRows(event: KeyboardEvent): void {
  const { target, currentTarget, key } = event;
  if (!(target instanceof HTMLElement) || !target.matches(".message") || !(currentTarget instanceof HTMLElement)) return;
  const rows = [...currentTarget.querySelectorAll<HTMLElement>(".message")];
  const at = rows.indexOf(target);
  const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: rows.length - 1 }[key];
  const row = to === undefined ? undefined : rows[to];
  if (row === undefined) return;
  event.preventDefault();
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}
