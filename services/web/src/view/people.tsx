/** Who is in a room, and who of them is here now. */

import type { MemberSummary, User } from "@klatch/client";
import { useEffect, useState } from "preact/hooks";
import type { Chat } from "../state/chat.js";
import type { RoomModel, RoomState } from "../state/room.js";
import { sortedMembers } from "../state/roster.js";
import { Avatar } from "./avatar.js";
import { ConfirmDialog } from "./confirm_dialog.js";
import { Dialog } from "./dialog.js";

interface Props {
  chat: Chat;
  room: RoomModel;
  state: RoomState;
  self: User;
  title: string;
}

/** Beside the conversation, where there is room for it. */
export function People(props: Props) {
  return (
    <aside class="people" aria-label="People">
      <PeopleInside {...props} />
    </aside>
  );
}

/** Over the conversation, where there is not. */
export function PeopleSheet({ onClose, ...props }: Props & { onClose: () => void }) {
  return (
    <Dialog title="People" kind="sheet" onClose={onClose}>
      <PeopleInside {...props} />
    </Dialog>
  );
}

function PeopleInside({ chat, room, state, self, title }: Props) {
  const [isLeaving, setLeaving] = useState(false);
  useEffect(() => void room.loadMembers(), [room]);
  const { roster } = state;
  const members = sortedMembers(roster);
  const guests = roster.here.filter((person) => !members.some(({ member }) => member.userId === person.userId));
  const present = members.filter(({ isHere }) => isHere);
  const absent = members.filter(({ isHere }) => !isHere);
  const isDirect = state.room?.type === "direct";
  // Who was never here has left no name in the room; a direct one is called by it.
  const nameOf = (person: User): string => person.username || (isDirect && person.userId !== self.userId ? title : person.userId);
  return (
    <>
      <section aria-labelledby="here-title">
        <h2 class="label" id="here-title">
          Here now <span class="count">{roster.hereCount}</span>
        </h2>
        <ul class="people-list">
          {present.map(({ member }) => personRow(member, self, nameOf(member), true))}
          {guests.map((person) => personRow(person, self, nameOf(person), true))}
        </ul>
      </section>
      {absent.length > 0 && (
        <section aria-labelledby="absent-title">
          <h2 class="label" id="absent-title">
            Not here <span class="count">{absent.length}</span>
          </h2>
          <ul class="people-list">{absent.map(({ member }) => personRow(member, self, nameOf(member), false))}</ul>
        </section>
      )}
      {state.member !== null && !isDirect && (
        <button type="button" class="button people-leave" onClick={() => setLeaving(true)}>
          Leave this room
        </button>
      )}
      {isLeaving && (
        <ConfirmDialog
          title={`Leave ${title}?`}
          text="You will not hear of it any more. What you said stays."
          action="Leave"
          onConfirm={() => {
            setLeaving(false);
            void chat.exit(room.roomId);
          }}
          onCancel={() => setLeaving(false)}
        />
      )}
    </>
  );
}

function personRow(person: User & Partial<MemberSummary>, self: User, name: string, isHere: boolean) {
  const { userId, role, standing } = person;
  const remarks = [
    userId === self.userId && "you",
    standing === "invited" || standing === "banned" ? standing : role !== "member" && role,
  ].filter(Boolean);
  return (
    <li key={userId} class={`person ${isHere ? "is-here" : ""}`}>
      <Avatar id={userId} name={name} size="small" />
      <span class="person-name">{name}</span>
      {remarks.length > 0 && <small class="person-remarks">{remarks.join(", ")}</small>}
    </li>
  );
}
