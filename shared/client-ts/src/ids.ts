/**
 * A fresh id, 128 random bits in hex. Ids make a command idempotent, so they must not repeat after a reload
 * either: a counter would.
 *
 * `crypto.randomUUID` would do, but browsers have it in secure contexts only, and people try chats over plain http
 * in their own network.
 */
export function freshId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
