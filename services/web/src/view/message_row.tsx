/** One message: who, when, what; and what one may do with it. */

import type { MessageId, SaidItem } from "@klatch/client";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Deleted, Said } from "../state/timeline.js";
import { clockTime, fullTime, marginTime } from "../text/time.js";
import { Avatar } from "./avatar.js";
import { EditForm } from "./edit_form.js";
import { Icon } from "./icon.js";
import { memo } from "./memo.js";
import { MessageText } from "./message_text.js";

export interface MessageActions {
  onEdit: (messageId: MessageId) => void;
  /** With the new text, or `null` where the person thought better of it. */
  onEdited: (messageId: MessageId, text: string | null) => void;
  onDelete: (messageId: MessageId) => void;
}

interface Props extends MessageActions {
  rowKey: string;
  item: Said | Deleted;
  /** Whose it is. */
  name: string;
  /** The first of a group shows whose it is. */
  isFirst: boolean;
  isOwn: boolean;
  mayDelete: boolean;
  isEditing: boolean;
  /** The one message that the tabulator stops at. */
  isCurrent: boolean;
  onFocusRow: (key: string) => void;
}

export const MessageRow = memo((props: Props) => {
  const { item, name, isFirst, isEditing, rowKey, isCurrent, onFocusRow, onEdited } = props;
  const { messageId, userId, timestamp } = item.data;
  const row = useRef<HTMLElement>(null);
  const wasEditing = useRef(false);
  useLayoutEffect(() => {
    if (wasEditing.current && !isEditing) row.current?.focus();
    wasEditing.current = isEditing;
  }, [isEditing]);

  const isSystem = item.kind === "said" && item.data.messageType === "system";
  return (
    <article
      ref={row}
      class={`message ${isFirst ? "is-first" : ""} ${isSystem ? "is-system" : ""}`}
      tabIndex={isCurrent ? 0 : -1}
      aria-label={label(item, name)}
      data-message={messageId}
      onFocus={() => onFocusRow(rowKey)}
      onKeyDown={shortcuts(props)}
    >
      {isFirst ? <Avatar id={userId} name={name} /> : <time class="message-aside">{marginTime(timestamp)}</time>}
      <div class="message-body">
        {isFirst && (
          <header class="message-head">
            <strong>{name}</strong>
            <time dateTime={timestamp} title={fullTime(timestamp)}>
              {clockTime(timestamp)}
            </time>
          </header>
        )}
        {item.kind === "deleted" && <p class="message-text is-deleted">This message was deleted.</p>}
        {item.kind === "said" && !isEditing && <Content said={item.data} />}
        {item.kind === "said" && isEditing && (
          <EditForm text={item.data.message} onDone={(text) => onEdited(messageId, text)} />
        )}
      </div>
      {!isEditing && <Actions {...props} />}
    </article>
  );
});

function Content({ said: { message, editedAt } }: { said: SaidItem }) {
  return (
    <MessageText text={message}>
      {editedAt !== undefined && (
        <small class="message-edited" title={fullTime(editedAt)}>
          edited
        </small>
      )}
    </MessageText>
  );
}

function Actions({ item, isOwn, mayDelete, onEdit, onDelete }: Props) {
  if (item.kind === "deleted" || !mayDelete) return null;
  const { messageId } = item.data;
  return (
    <div class="message-actions">
      {isOwn && (
        <button type="button" class="icon-button" aria-label="Edit message" title="Edit (E)" onClick={() => onEdit(messageId)}>
          <Icon name="edit" />
        </button>
      )}
      <button type="button" class="icon-button" aria-label="Delete message" title="Delete (D)" onClick={() => onDelete(messageId)}>
        <Icon name="trash" />
      </button>
    </div>
  );
}

function shortcuts({ item, isOwn, mayDelete, onEdit, onDelete }: Props): (event: KeyboardEvent) => void {
  return (event) => {
    const isHere = event.target === event.currentTarget;
    if (!isHere || item.kind === "deleted" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "e" && isOwn) onEdit(item.data.messageId);
    else if ((event.key === "d" || event.key === "Delete") && mayDelete) onDelete(item.data.messageId);
    else return;
    event.preventDefault();
  };
}

function label(item: Said | Deleted, name: string): string {
  const when = `${name}, ${clockTime(item.data.timestamp)}`;
  if (item.kind === "deleted") return `${when}: message deleted`;
  return `${when}: ${item.data.message}${item.data.editedAt === undefined ? "" : ", edited"}`;
}
