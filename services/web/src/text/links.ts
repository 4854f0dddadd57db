/** Finds addresses in what people wrote. The text stays text: what is made of a link is the drawer's business. */

export type Piece = { text: string; href?: string };

/** Only these two schemes: everything else that a click could start is not for a stranger's message. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/gi;
/** What ends a sentence, not an address. */
const TRAILING = /[.,;:!?'"»”’…]+$/;

export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    if (!URL.canParse(address)) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: address, href: address });
    end = match.index + address.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}

/** Without the sentence's punctuation, and without a closing bracket that was opened before the address. */
function trimmed(address: string): string {
  const bare = address.replace(TRAILING, "");
  const opened = bare.split("(").length;
  const closed = bare.split(")").length;
  return bare.endsWith(")") && closed > opened ? trimmed(bare.slice(0, -1)) : bare;
}
