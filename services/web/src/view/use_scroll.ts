/**
 * Keeps the reader's place: at the end while they are at the end, on the same line while older messages come in above.
 * The browser's own anchoring is off for the timeline, for it gives up at the very top, where it matters.
 */

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

interface What {
  /** Sequences of the first and last item shown: when the first changes, something came in above. */
  first: number | undefined;
  last: number | undefined;
  /** Items and messages on their way. */
  count: number;
  onOlder: () => void;
  onAtEnd: (isAtEnd: boolean) => void;
}

interface Scroll {
  box: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  /** What stands above the oldest item; when it comes near, older ones are asked for. */
  top: RefObject<HTMLDivElement | null>;
  isAtEnd: boolean;
  /** How many came while the reader was further up. */
  news: number;
  toEnd: () => void;
}

/** So close to the end counts as there: a line of text, and what zoomed pages round away. */
const END_PX = 48;
/** Older messages are asked for before the reader sees that there are none. */
const AHEAD = "600px 0px 0px 0px";

export function useScroll({ first, last, count, onOlder, onAtEnd }: What): Scroll {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const shown = useRef<{ first: number | undefined; last: number | undefined; height: number }>({ first, last, height: 0 });
  const [isAtEnd, setAtEnd] = useState(true);
  const [news, setNews] = useState(0);

  const toEnd = (): void => {
    if (box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  };

  useLayoutEffect(() => {
    const { current } = box;
    if (current === null) return;
    const before = shown.current;
    if (atEnd.current) toEnd();
    else if (before.first !== first) current.scrollTop += current.scrollHeight - before.height;
    else if (before.last !== last) setNews((number) => number + 1);
    shown.current = { first, last, height: current.scrollHeight };
  }, [first, last, count]);

  useEffect(() => {
    const { current } = box;
    if (current === null) return;
    const look = (): void => {
      const isThere = current.scrollHeight - current.scrollTop - current.clientHeight < END_PX;
      shown.current.height = current.scrollHeight;
      if (isThere === atEnd.current) return;
      atEnd.current = isThere;
      setAtEnd(isThere);
      if (isThere) setNews(0);
      onAtEnd(isThere);
    };
    current.addEventListener("scroll", look, { passive: true });
    // The window, the keyboard of a phone or a growing composer take room; an edit makes a message longer.
    const resized = new ResizeObserver(() => {
      if (atEnd.current) toEnd();
      shown.current.height = current.scrollHeight;
    });
    resized.observe(current);
    if (content.current !== null) resized.observe(content.current);
    return () => {
      current.removeEventListener("scroll", look);
      resized.disconnect();
    };
  }, []);

  useEffect(() => {
    if (top.current === null || box.current === null) return;
    // Observed anew for each page: an observer tells changes only, and after a short page the top is still in sight.
    const near = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && onOlder(), {
      root: box.current,
      rootMargin: AHEAD,
    });
    near.observe(top.current);
    return () => near.disconnect();
  }, [first]);

  return { box, content, top, isAtEnd, news, toEnd };
}
