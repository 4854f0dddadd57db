/** One sentence about something that did not work; it goes by itself. */

import { useEffect } from "preact/hooks";
import type { Store } from "../state/store.js";
import { useStore } from "../state/store_hook.js";
import { Icon } from "./icon.js";

const SHOWN_MS = 8_000;

export function Notice({ notice }: { notice: Store<string | null> }) {
  const text = useStore(notice);
  useEffect(() => {
    if (text === null) return;
    const timer = setTimeout(() => notice.set(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div class="notice-place" role="alert">
      {text !== null && (
        <p class="notice">
          {text}
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => notice.set(null)}>
            <Icon name="close" />
          </button>
        </p>
      )}
    </div>
  );
}
