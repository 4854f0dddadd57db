/** The open room: its head, its timeline, the place to write, and who is in it. */

import type { User } from "@klatch/client";
import { Failure } from "@klatch/client";
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Chat } from "../state/chat.js";
import type { RoomModel, RoomState } from "../state/room.js";
import type { Roster } from "../state/roster.js";
import { hashOf } from "../state/route.js";
import { useStore } from "../state/store_hook.js";
import { explain } from "../text/failure.js";
import { enumerate, roomTitle } from "../text/names.js";
import { Composer } from "./composer.js";
import { ConfirmDialog } from "./confirm_dialog.js";
import { Icon } from "./icon.js";
import { People, PeopleSheet } from "./people.js";
import { TimelineView } from "./timeline_view.js";
import { useMedia } from "./use_media.js";

interface Props {
  chat: Chat;
  room: RoomModel;
  self: User;
}

export function Conversation({ chat, room, self }: Props) {
  const state = useStore(room.state);
  const list = useStore(chat.list);
  const [unreadAtOpening] = useState(() => list?.find(({ roomId }) => roomId === room.roomId)?.unread ?? 0);
  const [editing, setEditing] = useState<string | null>(null);
  const [deleting, setDeleting] = useState<string | null>(null);
  const [showsPeople, setShowsPeople] = useState(true);
  const [showsSheet, setShowsSheet] = useState(false);
  const isWide = useMedia("(min-width: 70rem)");
  const entry = list?.find(({ roomId }) => roomId === room.roomId);
  const title = roomTitle(entry ?? { name: state.room?.name ?? "", roomId: room.roomId });

  const togglePeople = (): void => (isWide ? setShowsPeople(!showsPeople) : setShowsSheet(true));
  const remove = (messageId: string): void => {
    setDeleting(null);
    void chat.attempt(room.remove(messageId));
  };
  // The same for as long as the room is: rows are drawn again only where something changed for them.
  const edited = useCallback(
    (messageId: string, text: string | null): void => {
      setEditing(null);
      if (text !== null) void chat.attempt(room.edit(messageId, text));
    },
    [chat, room],
  );

  return (
    <div class={`conversation ${isWide && showsPeople ? "has-people" : ""}`}>
      <section class="talk" aria-label={title}>
        <Head state={state} title={title} other={entry?.other ?? null} arePeopleShown={isWide && showsPeople} onPeople={togglePeople} />
        {state.phase.is === "gone" ? (
          <Gone state={state} />
        ) : (
          <>
            <TimelineView
              state={state}
              self={self}
              title={title}
              unreadAtOpening={unreadAtOpening}
              editing={editing}
              onOlder={() => void room.loadOlder()}
              onAtEnd={(isAtEnd) => chat.looking(isAtEnd)}
              onEdit={setEditing}
              onEdited={edited}
              onDelete={setDeleting}
              onRetry={(id) => room.retry(id)}
              onDiscard={(id) => room.discard(id)}
            />
            <Typing names={state.roster.typing.map(({ username, userId }) => username || userId)} />
            <Composer chat={chat} room={room} state={state} self={self} title={title} onEditLast={setEditing} />
          </>
        )}
      </section>
      {isWide && showsPeople && <People chat={chat} room={room} state={state} self={self} title={title} />}
      {!isWide && showsSheet && (
        <PeopleSheet chat={chat} room={room} state={state} self={self} title={title} onClose={() => setShowsSheet(false)} />
      )}
      {deleting !== null && (
        <ConfirmDialog
          title="Delete this message?"
          text="It disappears for everyone, and from the log."
          action="Delete"
          onConfirm={() => remove(deleting)}
          onCancel={() => setDeleting(null)}
        />
      )}
    </div>
  );
}

interface HeadProps {
  state: RoomState;
  title: string;
  /** Of a direct room. */
  other: User | null;
  arePeopleShown: boolean;
  onPeople: () => void;
}

function Head({ state, title, other, arePeopleShown, onPeople }: HeadProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Who opened a room with a keyboard or a screen reader is told where they are; a pointer goes to the composer.
  useLayoutEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const { room, roster } = state;
  return (
    <header class="head">
      <a class="icon-button head-back" href={hashOf(null)} aria-label="All rooms">
        <Icon name="back" />
      </a>
      <div class="head-title">
        <h1 ref={heading} tabIndex={-1}>
          {title}
          {room?.settings.access === "private" && room.type !== "direct" && <Icon name="lock" />}
        </h1>
        <p>{room === null ? "Joining…" : `${kindOf(room.type)} · ${whoIsHere(roster, other)}`}</p>
      </div>
      <button
        type="button"
        class="icon-button"
        aria-label="People in this room"
        title="People"
        aria-pressed={arePeopleShown}
        onClick={onPeople}
      >
        <Icon name="people" />
      </button>
    </header>
  );
}

function Typing({ names }: { names: string[] }) {
  return (
    <p class="typing" aria-live="off">
      {names.length > 0 && (
        <>
          <span class="typing-dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {`${enumerate(names)} ${names.length === 1 ? "is" : "are"} typing`}
        </>
      )}
    </p>
  );
}

function Gone({ state: { phase } }: { state: RoomState }) {
  if (phase.is !== "gone") return null;
  return (
    <div class="empty">
      <h2>You are not in this room</h2>
      <p>{phase.reason instanceof Failure ? explain(phase.reason) : GOODBYES[phase.reason]}</p>
      <a class="button" href={hashOf(null)}>
        All rooms
      </a>
    </div>
  );
}

const GOODBYES = {
  kicked: "A moderator removed you.",
  banned: "A moderator banned you.",
  exited: "You left it.",
} as const;

function kindOf(type: "direct" | "group" | "channel"): string {
  return { direct: "Direct message", group: "Group", channel: "Channel" }[type];
}

/** Of two people one wants to know about the other; of more, how many. */
function whoIsHere({ here, hereCount }: Roster, other: User | null): string {
  if (other === null) return `${hereCount} here`;
  return here.some(({ userId }) => userId === other.userId) ? "here now" : "not here now";
}
