/** Time as the SDK sees it, so that a test can hold it still. */

/** What `setTimeout` returned; only ever handed back to {@link Clock.cancel}. */
export type Timer = unknown;

/** A source of time and timers. */
export interface Clock {
  /** Milliseconds; only differences mean something. */
  now(): number;
  /** Calls `task` once, after `delayMs` at the earliest. */
  after(delayMs: number, task: () => void): Timer;
  /** Takes a task back; nothing happens where it ran already. */
  cancel(timer: Timer): void;
}

/** The real one. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, task) => setTimeout(task, delayMs),
  cancel: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};
