/** One's own messages on their way: what is shown below the timeline. Pure. */

import type { Outgoing, SaidItem } from "@klatch/client";

/** Those that are not in the timeline yet, oldest first. */
export type Pending = readonly Outgoing[];

/** A message changed its state. Sent ones are the timeline's. */
export function withOutgoing(pending: Pending, outgoing: Outgoing): Pending {
  const at = pending.findIndex(({ id }) => id === outgoing.id);
  if (outgoing.state.is === "sent") return at < 0 ? pending : pending.toSpliced(at, 1);
  return at < 0 ? [...pending, outgoing] : pending.with(at, outgoing);
}

/**
 * A message of one's own came from the server. It may come before its acknowledgement, and then the only sign that
 * it is the first one waiting is its text; it is taken for that, so that it is not shown twice for a moment.
 */
export function withEcho(pending: Pending, { message }: SaidItem): Pending {
  const at = pending.findIndex(({ state }) => state.is === "pending");
  return pending[at]?.draft.message === message ? pending.toSpliced(at, 1) : pending;
}

/** One that was given up on is thrown away. */
export function without(pending: Pending, id: string): Pending {
  return pending.filter((outgoing) => outgoing.id !== id);
}
