/** Writing to somebody: found by name, with the keyboard alone if need be (the combobox of ARIA's authoring practices). */

import { Failure, type User } from "@klatch/client";
import type { TargetedKeyboardEvent } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Chat } from "../state/chat.js";
import { hashOf } from "../state/route.js";
import { explain } from "../text/failure.js";
import { personName } from "../text/names.js";
import { Avatar } from "./avatar.js";
import { Dialog } from "./dialog.js";
import { Icon } from "./icon.js";
import { usePeople, type Found } from "./use_people.js";

export function NewMessageDialog({ chat, onClose }: { chat: Chat; onClose: () => void }) {
  const [query, setQuery] = useState("");
  const found = usePeople(chat.findPeople, query);
  const [active, setActive] = useState(0);
  const [failure, setFailure] = useState<string | null>(null);
  const isOpening = useRef(false);
  const isHasty = useRef(false);
  const list = useId();

  const open = async (person: User): Promise<void> => {
    if (isOpening.current) return;
    isOpening.current = true;
    setFailure(null);
    try {
      location.hash = hashOf(await chat.writeTo(person));
      onClose();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      setFailure(explain(error));
    } finally {
      isOpening.current = false;
    }
  };

  // Who presses Enter before the answer is there means its only person, never one of the answer before.
  useEffect(() => {
    setActive(0);
    const [only, ...others] = found.people;
    if (isHasty.current && found.is === "found" && only !== undefined && others.length === 0) void open(only);
    if (found.is !== "looking") isHasty.current = false;
  }, [found]);

  const keys = (event: TargetedKeyboardEvent<HTMLInputElement>): void => {
    const { people } = found;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && people.length > 0) {
      event.preventDefault();
      setActive((active + step + people.length) % people.length);
    }
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    const person = people[active];
    const isAnswered = found.is !== "looking" && found.name === event.currentTarget.value.trim();
    if (!isAnswered) isHasty.current = true;
    else if (person !== undefined) void open(person);
  };

  return (
    <Dialog title="New message" onClose={onClose}>
      <div class="search">
        <div class="search-line">
          <Icon name="search" />
          <input
            type="text"
            role="combobox"
            aria-label="To"
            aria-autocomplete="list"
            aria-expanded={found.people.length > 0}
            aria-controls={list}
            aria-activedescendant={found.people.length > 0 ? `${list}-${active}` : undefined}
            placeholder="Whom do you want to write to?"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            enterkeyhint="go"
            maxLength={64}
            autofocus
            onInput={(event) => {
              isHasty.current = false;
              setQuery(event.currentTarget.value);
            }}
            onKeyDown={keys}
          />
        </div>
        <ul id={list} class="search-people" role="listbox" aria-label="People" aria-busy={found.is === "looking"}>
          {found.people.map((person, index) => (
            <li
              key={person.userId}
              id={`${list}-${index}`}
              class="search-person"
              role="option"
              aria-selected={index === active}
              onMouseMove={() => setActive(index)}
              onClick={() => void open(person)}
            >
              <Avatar id={person.userId} name={person.username} />
              <span class="search-name">
                <strong>{personName(person)}</strong>
                {person.userId !== personName(person) && <small>{person.userId}</small>}
              </span>
            </li>
          ))}
        </ul>
        <p class="hint search-word" role="status">
          {wordOn(found)}
        </p>
        {failure !== null && (
          <p class="alert" role="alert">
            {failure}
          </p>
        )}
      </div>
    </Dialog>
  );
}

function wordOn(found: Found): string {
  switch (found.is) {
    case "nothing":
      return "A few letters of their name will do.";
    case "looking":
      return found.people.length > 0 ? "" : "Looking…";
    case "failed":
      return found.failure.code === "not_found"
        ? "This server keeps no list of people: write their user id."
        : explain(found.failure);
    case "found":
      return ["Nobody here is called that.", "One person. Enter opens the conversation."][found.people.length] ?? `${found.people.length} people`;
  }
}
