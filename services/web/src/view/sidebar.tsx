/** The rooms, and oneself. */

import type { User } from "@klatch/client";
import type { Chat } from "../state/chat.js";
import type { RoomEntry } from "../state/room_list.js";
import { hashOf } from "../state/route.js";
import { useStore } from "../state/store_hook.js";
import { roomTitle } from "../text/names.js";
import { shortTime } from "../text/time.js";
import { Avatar, RoomSign } from "./avatar.js";
import { Icon } from "./icon.js";
import { Wordmark } from "./wordmark.js";

interface Props {
  chat: Chat;
  onWrite: () => void;
  onCreate: () => void;
  onSignOut: () => void;
}

export function Sidebar({ chat, onWrite, onCreate, onSignOut }: Props) {
  const self = useStore(chat.self);
  return (
    <header class="sidebar">
      <div class="sidebar-top">
        <Wordmark />
        <button type="button" class="icon-button" aria-label="New message" title="New message" onClick={onWrite}>
          <Icon name="write" />
        </button>
        <button type="button" class="icon-button" aria-label="New conversation" title="New conversation" onClick={onCreate}>
          <Icon name="plus" />
        </button>
      </div>
      <nav class="rooms" aria-label="Rooms">
        <Rooms chat={chat} self={self} onWrite={onWrite} onCreate={onCreate} />
      </nav>
      {self !== null && <Self chat={chat} self={self} onSignOut={onSignOut} />}
    </header>
  );
}

function Rooms({ chat, self, onWrite, onCreate }: Omit<Props, "onSignOut"> & { self: User | null }) {
  const list = useStore(chat.list);
  const open = useStore(chat.open);
  if (list === null) return <RoomSkeletons />;
  if (list.length === 0) {
    return (
      <div class="rooms-empty">
        <p>No rooms yet.</p>
        <button type="button" class="button" onClick={onWrite}>
          Write to somebody
        </button>
        <button type="button" class="button" onClick={onCreate}>
          Start or join one
        </button>
      </div>
    );
  }
  return (
    <ul>
      {list.map((room) => (
        <RoomRow key={room.roomId} room={room} self={self} isOpen={room.roomId === open} />
      ))}
    </ul>
  );
}

function RoomRow({ room, self, isOpen }: { room: RoomEntry; self: User | null; isOpen: boolean }) {
  const { roomId, last, unread } = room;
  const title = roomTitle(room);
  return (
    <li>
      <a class="room-row" href={hashOf(roomId)} aria-current={isOpen ? "page" : undefined}>
        <RoomSign room={room} />
        <span class="room-row-line">
          <span class="room-row-title">{title}</span>
          {last !== null && (
            <time class="room-row-time" dateTime={last.timestamp}>
              {shortTime(last.timestamp, new Date())}
            </time>
          )}
        </span>
        <span class="room-row-line">
          <span class="room-row-last">{lastLine(room, self)}</span>
          {unread > 0 && (
            <span class="badge">
              {unread > 999 ? "999+" : unread}
              <span class="unseen"> unread</span>
            </span>
          )}
        </span>
      </a>
    </li>
  );
}

function lastLine({ last, type }: RoomEntry, self: User | null): string {
  if (last === null) return "Nothing said yet";
  const { message, userId, username } = last;
  if (userId === self?.userId) return `You: ${message}`;
  return type === "direct" ? message : `${username}: ${message}`;
}

function RoomSkeletons() {
  return (
    <div class="skeletons" role="status">
      <span class="unseen">Loading your rooms</span>
      {[1, 2, 3, 4].map((row) => (
        <div key={row} class="skeleton-row" aria-hidden="true">
          <span class="skeleton skeleton-sign" />
          <span class="skeleton skeleton-line" />
        </div>
      ))}
    </div>
  );
}

function Self({ chat, self, onSignOut }: { chat: Chat; self: User; onSignOut: () => void }) {
  const isOnline = useStore(chat.connection).is === "online";
  return (
    <div class="self">
      <Avatar id={self.userId} name={self.username} />
      <span class="self-name">
        <strong>{self.username}</strong>
        <small class={isOnline ? "is-online" : ""}>{isOnline ? "Online" : "Offline"}</small>
      </span>
      <button type="button" class="icon-button" aria-label="Sign out" title="Sign out" onClick={onSignOut}>
        <Icon name="leave" />
      </button>
    </div>
  );
}
