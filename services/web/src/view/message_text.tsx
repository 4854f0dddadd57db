/** What somebody wrote. It is text, whatever it looks like: only addresses of the web become links. */

import type { ComponentChildren } from "preact";
import { pieces } from "../text/links.js";

export function MessageText({ text, children }: { text: string; children?: ComponentChildren }) {
  return (
    <p class="message-text" dir="auto">
      {pieces(text).map((piece, index) =>
        piece.href === undefined ? (
          piece.text
        ) : (
          <a key={index} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
            {piece.text}
          </a>
        ),
      )}
      {children}
    </p>
  );
}
