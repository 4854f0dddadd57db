/** Which room is open: the part of the address behind `#`, so that back, forward and reload work. */

import type { RoomId } from "@klatch/client";
import { Store } from "./store.js";

const PREFIX = "#/room/";

export function roomIn(hash: string): RoomId | null {
  if (!hash.startsWith(PREFIX)) return null;
  try {
    return decodeURIComponent(hash.slice(PREFIX.length)) || null;
  } catch {
    return null; // a stray percent sign, typed by hand
  }
}

export function hashOf(roomId: RoomId | null): string {
  return roomId === null ? "#/" : PREFIX + encodeURIComponent(roomId);
}

/** Follows the address for as long as the page lives. */
export function openRoom(): Store<RoomId | null> {
  const store = new Store(roomIn(location.hash));
  addEventListener("hashchange", () => store.set(roomIn(location.hash)));
  return store;
}
