/** Waiting for what will be so, with a bound: never a bare sleep. */

/** Looks again and again until `look` gives something; fails with `what` after `ms`. */
export async function until<T>(what: string, look: () => T | null | Promise<T | null>, ms = 20_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen !== null) return seen;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
