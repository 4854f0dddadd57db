/** A person or a room as a coloured sign: the same colour for the same id, everywhere. */

import type { RoomType } from "@klatch/client";
import { hue, initials } from "../text/names.js";

type Size = "small" | "medium" | "large";

export function Avatar({ id, name, size = "medium" }: { id: string; name: string; size?: Size }) {
  return (
    <span class={`avatar avatar-${size} hue-${hue(id)}`} aria-hidden="true">
      {initials(name || id)}
    </span>
  );
}

export function RoomSign({ id, name, type }: { id: string; name: string; type: RoomType }) {
  const shape = type === "direct" ? "" : " avatar-square";
  return (
    <span class={`avatar avatar-medium${shape} hue-${hue(id)}`} aria-hidden="true">
      {initials(name || id)}
    </span>
  );
}
