/** Looks people up while a name is being written: not with every key, and never an older answer after a newer one. */

import { Failure, type User } from "@klatch/client";
import { useEffect, useState } from "preact/hooks";
import type { FindPeople } from "../state/chat.js";

/** What is known of the people of a `name`; while they are looked for, `people` are those of the one before. */
export type Found = { name: string; people: readonly User[] } & (
  | { is: "nothing" }
  | { is: "looking" }
  | { is: "found" }
  | { is: "failed"; failure: Failure }
);

/** As long as between two keys of somebody who types slowly. */
const PAUSE_MS = 200;

const nothing: Found = { is: "nothing", name: "", people: [] };

export function usePeople(find: FindPeople, query: string): Found {
  const [found, setFound] = useState<Found>(nothing);
  const name = query.trim();
  useEffect(() => {
    if (name === "") return setFound(nothing);
    setFound(({ people }) => ({ is: "looking", name, people }));
    const asked = new AbortController();
    const timer = setTimeout(() => {
      void answerTo(find, name, asked.signal).then((answer) => {
        if (!asked.signal.aborted) setFound(answer);
      });
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }, [name]);
  return found;
}

async function answerTo(find: FindPeople, name: string, signal: AbortSignal): Promise<Found> {
  try {
    return { is: "found", name, people: await find(name, signal) };
  } catch (error) {
    if (!(error instanceof Failure)) {
      if (signal.aborted) return nothing;
      throw error;
    }
    // Where nobody can be looked up, who is written to must be known.
    const people = error.code === "not_found" ? [{ userId: name, username: "" }] : [];
    return { is: "failed", name, people, failure: error };
  }
}
