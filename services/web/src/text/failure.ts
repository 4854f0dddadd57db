/** What a failure's code means to the person in front of the page. */

export function explain({ code, message }: { code: string; message: string }): string {
  return SENTENCES.get(code) ?? sentence(message);
}

const SENTENCES: ReadonlyMap<string, string> = new Map([
  ["timeout", "The server did not answer in time."],
  ["unavailable", "The server can’t do this just now. Please try again in a moment."],
  ["internal", "Something went wrong on the server."],
  ["rate_limited", "That was a lot at once. Please try again in a moment."],
  ["not_found", "There is no such room, or it is private."],
  ["not_a_member", "Only members of the room can do this."],
  ["banned", "You have been banned from this room."],
  ["muted", "You have been muted in this room."],
  ["archived", "This room is archived: it can be read, but not written to."],
  ["too_large", "That is too long for one message."],
  ["too_many_pending", "Too many messages are waiting to be sent."],
]);

/** The server's words, as a sentence. */
function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
