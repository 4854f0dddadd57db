/** How long to wait before trying again. */

/** The bounds of a wait, in milliseconds. */
export interface Retry {
  minMs: number;
  maxMs: number;
}

/**
 * "Full jitter": anything from nothing to a bound that doubles with each attempt. A crowd that lost its server at
 * one moment comes back evenly spread, which "half the delay, plus a bit" does not achieve.
 * <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
 *
 * @param attempt 0 for the first.
 * @param random in [0, 1).
 */
export function fullJitter(attempt: number, retry: Retry, random: number): number {
  const doublings = Math.min(attempt, 30);
  const bound = Math.min(retry.maxMs, retry.minMs * 2 ** doublings);
  return Math.floor(random * bound);
}
