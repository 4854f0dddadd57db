/** A person or a room as a coloured sign: the same colour for the same id, everywhere. */

import type { RoomEntry } from "../state/room_list.js";
import { hue, initials, roomTitle } from "../text/names.js";

type Size = "small" | "medium" | "large";

export function Avatar({ id, name, size = "medium" }: { id: string; name: string; size?: Size }) {
  return (
    <span class={`avatar avatar-${size} hue-${hue(id)}`} aria-hidden="true">
      {initials(name || id)}
    </span>
  );
}

/** A direct room looks like whom it is with. */
export function RoomSign({ room }: { room: RoomEntry }) {
  const { roomId, other, type } = room;
  if (type === "direct") return <Avatar id={other?.userId ?? roomId} name={roomTitle(room)} />;
  return (
    <span class={`avatar avatar-medium avatar-square hue-${hue(roomId)}`} aria-hidden="true">
      {initials(roomTitle(room))}
    </span>
  );
}
