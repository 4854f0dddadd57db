/** One message: who, when, what; and what one may do with it. */

import type { HistoryMessage, MessageId } from "@klatch/client";
import { useLayoutEffect, useRef } from "preact/hooks";
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
  message: HistoryMessage;
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
  const { message, isFirst, isEditing, rowKey, isCurrent, onFocusRow, onEdited } = props;
  const { messageId, userId, username, timestamp, messageType } = message;
  const row = useRef<HTMLElement>(null);
  const wasEditing = useRef(false);
  useLayoutEffect(() => {
    if (wasEditing.current && !isEditing) row.current?.focus();
    wasEditing.current = isEditing;
  }, [isEditing]);

  const kind = messageType === "system" ? "message is-system" : "message";
  return (
    <article
      ref={row}
      class={`${kind} ${isFirst ? "is-first" : ""}`}
      tabIndex={isCurrent ? 0 : -1}
      aria-label={label(message)}
      data-message={messageId}
      onFocus={() => onFocusRow(rowKey)}
      onKeyDown={shortcuts(props)}
    >
      {isFirst ? <Avatar id={userId} name={username} /> : <time class="message-aside">{marginTime(timestamp)}</time>}
      <div class="message-body">
        {isFirst && (
          <header class="message-head">
            <strong>{username}</strong>
            <time dateTime={timestamp} title={fullTime(timestamp)}>
              {clockTime(timestamp)}
            </time>
          </header>
        )}
        {isEditing ? (
          <EditForm text={message.message ?? ""} onDone={(text) => onEdited(messageId, text)} />
        ) : (
          <Content message={message} />
        )}
      </div>
      {!isEditing && <Actions {...props} />}
    </article>
  );
});

function Content({ message }: { message: HistoryMessage }) {
  if (message.deleted === true) return <p class="message-text is-deleted">This message was deleted.</p>;
  return (
    <MessageText text={message.message ?? ""}>
      {message.editedAt !== undefined && (
        <small class="message-edited" title={fullTime(message.editedAt)}>
          edited
        </small>
      )}
    </MessageText>
  );
}

function Actions({ message, isOwn, mayDelete, onEdit, onDelete }: Props) {
  const { messageId, deleted, messageType } = message;
  if (deleted === true || !mayDelete) return null;
  return (
    <div class="message-actions">
      {isOwn && messageType !== "system" && (
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

function shortcuts({ message, isOwn, mayDelete, onEdit, onDelete }: Props): (event: KeyboardEvent) => void {
  return (event) => {
    const isHere = event.target === event.currentTarget;
    if (!isHere || message.deleted === true || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "e" && isOwn) onEdit(message.messageId);
    else if ((event.key === "d" || event.key === "Delete") && mayDelete) onDelete(message.messageId);
    else return;
    event.preventDefault();
  };
}

function label({ username, message, deleted, editedAt, timestamp }: HistoryMessage): string {
  const what = deleted === true ? "message deleted" : (message ?? "");
  return `${username}, ${clockTime(timestamp)}: ${what}${editedAt === undefined ? "" : ", edited"}`;
}
