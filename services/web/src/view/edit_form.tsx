/** A message while it is being changed: Enter keeps the change, Escape forgets it. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { useGrowing } from "./use_growing.js";

export function EditForm({ text, onDone }: { text: string; onDone: (text: string | null) => void }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const grow = useGrowing(field);
  // Before anybody can type: later it would move the cursor under their hands.
  useLayoutEffect(() => {
    const { current } = field;
    current?.focus();
    current?.setSelectionRange(text.length, text.length);
  }, []);

  const done = (event: Event): void => {
    event.preventDefault();
    const changed = field.current?.value.trim() ?? "";
    onDone(changed === "" ? null : changed);
  };
  const keys = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === "Escape") onDone(null);
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) done(event);
  };
  return (
    <form class="edit" onSubmit={done}>
      <textarea
        ref={field}
        rows={1}
        dir="auto"
        defaultValue={text}
        aria-label="Edit message"
        onInput={grow}
        onKeyDown={keys}
      />
      <div class="edit-actions">
        <button type="button" class="button button-small" onClick={() => onDone(null)}>
          Cancel
        </button>
        <button type="submit" class="button button-small button-primary">
          Save
        </button>
      </div>
    </form>
  );
}
