/** What stands for a person or a room where there is no picture. */

import type { User } from "@klatch/client";

/** One or two letters. */
export function initials(name: string): string {
  const words = name.trim().split(/[\s_.-]+/u).filter(Boolean);
  const first = firstSymbol(words[0] ?? "");
  const last = words.length > 1 ? firstSymbol(words.at(-1) ?? "") : "";
  return (first + last).toLocaleUpperCase() || "?";
}

/** A room as it is called: a direct one by whom it is with; by its id where nothing better is known. */
export function roomTitle({ name, roomId, other }: { name: string; roomId: string; other?: User | null }): string {
  // Ids that begin so are the server's own, and nothing to be read.
  return name || (other && personName(other)) || (roomId.startsWith("~") ? "Direct message" : roomId);
}

export function personName({ username, userId }: User): string {
  return username || userId;
}

/** How many hues there are: as many as the style sheet has classes. */
export const HUES = 8;

/** Always the same for the same id, spread over all of them: FNV-1a, 32 bits. */
export function hue(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  }
  // The low bits of FNV are its weak ones.
  return ((hash >>> 0) >>> 8) % HUES;
}

/** `Ada`, `Ada and Ben`, `Ada, Ben and 3 others`. */
export function enumerate(names: readonly string[], max = 3): string {
  if (names.length <= 1) return names[0] ?? "";
  const shown = names.length > max ? names.slice(0, max - 1) : names.slice(0, -1);
  const rest = names.length - shown.length;
  return `${shown.join(", ")} and ${rest === 1 ? names.at(-1) : `${rest} others`}`;
}

/** The first letter as people see it: an emoji of several code points is one. */
function firstSymbol(word: string): string {
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(word)) return segment;
  return "";
}
