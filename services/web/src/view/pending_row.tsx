/** One's own message on its way, or one that did not get through. */

import type { Outgoing, User } from "@klatch/client";
import { explain } from "../text/failure.js";
import { Avatar } from "./avatar.js";
import { MessageText } from "./message_text.js";

interface Props {
  outgoing: Outgoing;
  self: User;
  isFirst: boolean;
  onRetry: (id: string) => void;
  onDiscard: (id: string) => void;
}

export function PendingRow({ outgoing: { id, draft, state }, self, isFirst, onRetry, onDiscard }: Props) {
  const status = state.is === "failed" ? "Not sent" : "Sending…";
  return (
    <article class={`message is-${state.is} ${isFirst ? "is-first" : ""}`} aria-label={`You, ${state.is}: ${draft.message}`} data-pending={id}>
      {isFirst ? <Avatar id={self.userId} name={self.username} /> : <span />}
      <div class="message-body">
        {isFirst && (
          <header class="message-head">
            <strong>{self.username}</strong>
            <small>{status}</small>
          </header>
        )}
        <MessageText text={draft.message}>{!isFirst && <small class="message-edited">{status}</small>}</MessageText>
        {state.is === "failed" && (
          <div class="failed" role="alert">
            <span>{explain(state.failure)}</span>
            <button type="button" class="button button-small" onClick={() => onRetry(id)}>
              Try again
            </button>
            <button type="button" class="button button-small" onClick={() => onDiscard(id)}>
              Discard
            </button>
          </div>
        )}
      </div>
    </article>
  );
}
