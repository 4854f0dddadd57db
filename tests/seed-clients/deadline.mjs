// Waiting for what will be so, with a bound: never a bare sleep.

/** Long enough for a loaded machine: a start-up of the whole system has a bound of its own. */
export const WAIT_MS_MAX = 20_000;
const LOOK_EVERY_MS = 25;

/** Looks again and again until `look` gives something true; fails with `what` after `ms`. */
export async function until(what, look, ms = WAIT_MS_MAX) {
  const end = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${typeof what === "function" ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
