/** Where one writes. Enter sends, Shift+Enter begins a line, Up in an empty field edits one's last message. */

import { Failure, type MessageId, type User } from "@klatch/client";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Chat } from "../state/chat.js";
import type { RoomModel, RoomState } from "../state/room.js";
import { explain } from "../text/failure.js";
import { Icon } from "./icon.js";
import { useGrowing } from "./use_growing.js";

interface Props {
  chat: Chat;
  room: RoomModel;
  state: RoomState;
  self: User;
  title: string;
  onEditLast: (messageId: MessageId) => void;
}

export function Composer({ chat, room, state, self, title, onEditLast }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);
  const grow = useGrowing(field);
  const [isEmpty, setEmpty] = useState(room.draft.trim() === "");
  const obstacle = obstacleOf(state);

  // On a screen with a real keyboard one can write at once; on a phone that would hide half the room.
  useLayoutEffect(() => {
    if (matchMedia("(hover: hover) and (pointer: fine)").matches) field.current?.focus({ preventScroll: true });
    return () => room.typed(false);
  }, []);

  const input = (): void => {
    room.draft = field.current?.value ?? "";
    const isBlank = room.draft.trim() === "";
    setEmpty(isBlank);
    room.typed(!isBlank);
    grow();
  };
  const send = (event: Event): void => {
    event.preventDefault();
    const { current } = field;
    const text = current?.value.trim() ?? "";
    if (current === null || text === "") return;
    try {
      room.send(text);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      chat.notice.set(explain(error));
      return;
    }
    current.value = "";
    room.draft = "";
    current.focus();
    setEmpty(true);
    grow();
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
    if (event.key !== "ArrowUp" || field.current?.value !== "") return;
    const last = lastOwn(state, self);
    if (last === null) return;
    event.preventDefault();
    onEditLast(last);
  };

  if (obstacle !== null) return <p class="composer-closed">{obstacle}</p>;
  return (
    <form class="composer" onSubmit={send}>
      <textarea
        ref={field}
        rows={1}
        dir="auto"
        defaultValue={room.draft}
        aria-label={`Message to ${title}`}
        placeholder={`Message ${title}`}
        autocomplete="off"
        enterkeyhint="send"
        onInput={input}
        onKeyDown={keys}
      />
      <button type="submit" class="send-button" aria-label="Send" title="Send" aria-disabled={isEmpty}>
        <Icon name="send" />
      </button>
    </form>
  );
}

/** Why one may not write here, if so. */
function obstacleOf({ room, member }: RoomState): string | null {
  if (room?.archived === true) return "This room is archived. It can be read, but not written to.";
  if (member?.role === "reader") return "In this channel only some people write. You can read along.";
  return null;
}

function lastOwn({ timeline }: RoomState, self: User): MessageId | null {
  const item = timeline.items.findLast(({ kind, data }) => kind === "said" && data.userId === self.userId);
  return item?.kind === "said" ? item.data.messageId : null;
}
