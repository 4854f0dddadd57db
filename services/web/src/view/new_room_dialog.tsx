/** Starting a conversation, or joining one by its name. */

import { Failure } from "@klatch/client";
import { useRef, useState } from "preact/hooks";
import type { Chat } from "../state/chat.js";
import { hashOf } from "../state/route.js";
import { explain } from "../text/failure.js";
import { Dialog } from "./dialog.js";

type Kind = "room" | "group" | "channel";

const KINDS: { kind: Kind; title: string; hint: string }[] = [
  { kind: "room", title: "Open room", hint: "Join it by its name. If nobody has made it yet, you do." },
  { kind: "group", title: "Group", hint: "Private: only those whom you bring in." },
  { kind: "channel", title: "Channel", hint: "You write, everybody may read." },
];

export function NewRoomDialog({ chat, onClose }: { chat: Chat; onClose: () => void }) {
  const [kind, setKind] = useState<Kind>("room");
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const name = useRef<HTMLInputElement>(null);
  const people = useRef<HTMLInputElement>(null);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      const roomId = await begin(chat, kind, valueOf(name.current), valueOf(people.current));
      location.hash = hashOf(roomId);
      onClose();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      setFailure(explain(error));
      setBusy(false);
    }
  };

  return (
    <Dialog title="New conversation" onClose={onClose}>
      <form class="new-room" onSubmit={(event) => void submit(event)}>
        <fieldset class="kinds">
          <legend class="unseen">What kind</legend>
          {KINDS.map((option) => (
            <label key={option.kind} class="kind">
              <input type="radio" name="kind" value={option.kind} checked={kind === option.kind} onChange={() => setKind(option.kind)} />
              <span>{option.title}</span>
            </label>
          ))}
        </fieldset>
        <p class="hint">{KINDS.find((option) => option.kind === kind)?.hint}</p>
        <p class="field">
          <label for="room-name">Name</label>
          <input id="room-name" ref={name} required maxLength={64} autocomplete="off" autofocus placeholder="kitchen" />
        </p>
        {kind !== "room" && (
          <p class="field">
            <label for="room-people">People</label>
            <input id="room-people" ref={people} autocomplete="off" placeholder="ben, cleo" />
            <small class="hint">User ids, separated by commas.</small>
          </p>
        )}
        {failure !== null && (
          <p class="alert" role="alert">
            {failure}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button button-primary" disabled={isBusy}>
            {kind === "room" ? "Join" : "Start"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** @throws {Failure} */
async function begin(chat: Chat, kind: Kind, name: string, people: string): Promise<string> {
  if (kind === "room") return name; // opening it is joining it
  const participants = people.split(",").map((id) => id.trim()).filter(Boolean);
  return chat.create({ type: kind, name, participants });
}

function valueOf(field: HTMLInputElement | null): string {
  return field?.value.trim() ?? "";
}
