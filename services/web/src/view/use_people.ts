/** Looks people up while a name is being written: not with every key, and never an older answer after a newer one. */

import { Failure, type User } from "@klatch/client";
import { useEffect, useState } from "preact/hooks";
import type { FindPeople } from "../state/chat.js";

export type Found =
  | { is: "nothing"; people: readonly User[] }
  /** For `people` of an answer to what was written before. */
  | { is: "looking"; people: readonly User[] }
  | { is: "found"; people: readonly User[] }
  | { is: "failed"; people: readonly User[]; failure: Failure };

/** As long as between two keys of somebody who types slowly. */
const PAUSE_MS = 200;

export function usePeople(find: FindPeople, query: string): Found {
  const [found, setFound] = useState<Found>({ is: "nothing", people: [] });
  const name = query.trim();
  useEffect(() => {
    if (name === "") return setFound({ is: "nothing", people: [] });
    setFound(({ people }) => ({ is: "looking", people }));
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
    return { is: "found", people: await find(name, signal) };
  } catch (error) {
    if (!(error instanceof Failure)) {
      if (signal.aborted) return { is: "nothing", people: [] };
      throw error;
    }
    // Where nobody can be looked up, who is written to must be known.
    const people = error.code === "not_found" ? [{ userId: name, username: "" }] : [];
    return { is: "failed", people, failure: error };
  }
}
