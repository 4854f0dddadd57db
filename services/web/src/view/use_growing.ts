/** A field that is as high as its text; the style sheet says how high at most. */

import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

export function useGrowing(field: RefObject<HTMLTextAreaElement | null>): () => void {
  const grow = (): void => {
    const { current } = field;
    if (current === null) return;
    current.style.height = "auto";
    current.style.height = `${current.scrollHeight}px`;
  };
  useLayoutEffect(grow, []);
  return grow;
}
