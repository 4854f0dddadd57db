/** Times as people say them, in the reader's own language and zone. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

const DAY_MS = 86_400_000;

export function clockTime(timestamp: string): string {
  return format(clock, timestamp);
}

/** The same without "AM" or "PM": for the margin, beside a time that has it. */
export function marginTime(timestamp: string): string {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return "";
  const parts = clock.formatToParts(date).filter(({ type }) => type !== "dayPeriod");
  return parts.map(({ value }) => value).join("").trim();
}

export function fullTime(timestamp: string): string {
  return format(full, timestamp);
}

/** Which day it was, of the reader's calendar: to compare with. */
export function dayKey(timestamp: string): string {
  return new Date(timestamp).toDateString();
}

/** `Today`, `Yesterday`, a weekday of this week, or the date. */
export function dayLabel(timestamp: string, now: Date): string {
  const days = daysBetween(new Date(timestamp), now);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days > 1 && days < 7) return format(weekday, timestamp);
  return format(new Date(timestamp).getFullYear() === now.getFullYear() ? day : dayAndYear, timestamp);
}

/** For a list of rooms: the time of today, else the day, as short as can be. */
export function shortTime(timestamp: string, now: Date): string {
  const days = daysBetween(new Date(timestamp), now);
  if (days === 0) return clockTime(timestamp);
  if (days === 1) return "Yesterday";
  return format(short, timestamp);
}

/** A clock that runs ahead makes no tomorrow. */
function daysBetween(from: Date, to: Date): number {
  const start = (date: Date): number => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.max(0, Math.round((start(to) - start(from)) / DAY_MS));
}

function format(how: Intl.DateTimeFormat, timestamp: string): string {
  const date = new Date(timestamp);
  return Number.isNaN(date.getTime()) ? "" : how.format(date);
}
