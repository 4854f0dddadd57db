/** Rooms on one side, the open one on the other; on a phone one of the two at a time. */

import { useEffect, useState } from "preact/hooks";
import type { Chat } from "../state/chat.js";
import { useStore } from "../state/store_hook.js";
import { roomTitle } from "../text/names.js";
import { ConnectionBanner } from "./connection_banner.js";
import { Conversation } from "./conversation.js";
import { NewMessageDialog } from "./new_message_dialog.js";
import { NewRoomDialog } from "./new_room_dialog.js";
import { Notice } from "./notice.js";
import { Sidebar } from "./sidebar.js";

export function ChatView({ chat, onSignOut }: { chat: Chat; onSignOut: () => void }) {
  const open = useStore(chat.open);
  const rooms = useStore(chat.rooms);
  const self = useStore(chat.self);
  const [begun, setBegun] = useState<"message" | "room" | null>(null);
  const close = (): void => setBegun(null);
  useTitle(chat);

  const room = open === null ? undefined : rooms.get(open);
  return (
    <div class={`chat ${open === null ? "shows-rooms" : "shows-room"}`}>
      <a class="skip" href="#conversation" onClick={skipTo("conversation")}>
        Skip to the conversation
      </a>
      <Sidebar chat={chat} onWrite={() => setBegun("message")} onCreate={() => setBegun("room")} onSignOut={onSignOut} />
      <main id="conversation" class="main" tabIndex={-1}>
        <ConnectionBanner chat={chat} />
        {open === null && <NothingOpen onWrite={() => setBegun("message")} onCreate={() => setBegun("room")} />}
        {room !== undefined && self !== null && <Conversation key={open} chat={chat} room={room} self={self} />}
      </main>
      {begun === "message" && <NewMessageDialog chat={chat} onClose={close} />}
      {begun === "room" && <NewRoomDialog chat={chat} onClose={close} />}
      <Notice notice={chat.notice} />
    </div>
  );
}

function NothingOpen({ onWrite, onCreate }: { onWrite: () => void; onCreate: () => void }) {
  return (
    <div class="empty">
      <svg class="empty-sign" viewBox="0 0 96 72" aria-hidden="true" focusable="false">
        <path d="M14 10h44a8 8 0 0 1 8 8v18a8 8 0 0 1-8 8H32L20 54V44h-6a8 8 0 0 1-8-8V18a8 8 0 0 1 8-8Z" />
        <path d="M74 26h4a8 8 0 0 1 8 8v14a8 8 0 0 1-8 8h-4v9l-11-9H48a8 8 0 0 1-7-4" />
      </svg>
      <h1>Nothing open yet</h1>
      <p>Pick a room on the left, write to somebody, or start a conversation.</p>
      <div class="empty-actions">
        <button type="button" class="button button-primary" onClick={onWrite}>
          New message
        </button>
        <button type="button" class="button" onClick={onCreate}>
          New conversation
        </button>
      </div>
    </div>
  );
}

/** The open room, and how much is unread in all of them. */
function useTitle(chat: Chat): void {
  const list = useStore(chat.list);
  const open = useStore(chat.open);
  const unread = list?.reduce((sum, room) => sum + room.unread, 0) ?? 0;
  const room = list?.find(({ roomId }) => roomId === open);
  useEffect(() => {
    const place = room === undefined ? "Klatch" : `${roomTitle(room)} · Klatch`;
    document.title = unread > 0 ? `(${unread}) ${place}` : place;
  }, [unread, room && roomTitle(room), open]);
}

/** A skip link must not change the part of the address that says which room is open. */
function skipTo(id: string): (event: Event) => void {
  return (event) => {
    event.preventDefault();
    document.getElementById(id)?.focus();
  };
}
