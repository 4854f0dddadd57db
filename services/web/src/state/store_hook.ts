/** Ties a component to a store: it is drawn again when the value changes. */

import { useLayoutEffect, useState } from "preact/hooks";
import type { Readable } from "./store.js";

export function useStore<T>(store: Readable<T>): T {
  const [, redraw] = useState({});
  const drawn = store.value;
  useLayoutEffect(() => {
    // It may have changed between drawing and listening.
    if (store.value !== drawn) redraw({});
    return store.subscribe(() => redraw({}));
  }, [store]);
  return drawn;
}
