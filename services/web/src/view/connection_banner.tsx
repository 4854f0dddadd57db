/** Says that the connection is gone, and when it is tried again; silent while all is well. */

import { useEffect, useState } from "preact/hooks";
import type { Chat } from "../state/chat.js";
import { useStore } from "../state/store_hook.js";

/** A connection that is back at once is not worth a word. */
const PATIENCE_MS = 600;

export function ConnectionBanner({ chat }: { chat: Chat }) {
  const state = useStore(chat.connection);
  const isOnline = state.is === "online";
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (isOnline) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [isOnline]);

  return (
    <div class="banner-place" role="status">
      {isShown && !isOnline && (
        <p class="banner">
          <span class="spinner" aria-hidden="true" />
          {chat.self.value === null ? "Connecting…" : "Connection lost. What you write is kept, and sent once it is back."}
          {state.is === "waiting" && (
            <button type="button" class="button button-small" onClick={() => chat.client.wake()}>
              Try now
            </button>
          )}
        </p>
      )}
    </div>
  );
}
