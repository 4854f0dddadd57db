/** Drawn signs, one stroke width for all; silent, for the button around them has the words. */

const PATHS = {
  write: "M20 12.5V18a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2h5.5M10 14l.8-3.2 7.4-7.4a1.7 1.7 0 0 1 2.4 2.4l-7.4 7.4L10 14Z",
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.4-3.6 3-5.5 6.5-5.5s6.1 1.9 6.5 5.5M16 4.6a3.2 3.2 0 0 1 0 6M18 14.8c2 .7 3.2 2.4 3.5 5.2",
  edit: "M4 20l1-4L16.5 4.5a1.8 1.8 0 0 1 2.5 0l.5.5a1.8 1.8 0 0 1 0 2.5L8 19l-4 1ZM14.5 6.5l3 3",
  trash: "M5 7h14M10 7V5h4v2M7 7l.8 12h8.4L17 7M10.5 10.5v5M13.5 10.5v5",
  send: "M5 12h13M12.5 5.5L19 12l-6.5 6.5",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5L20 20",
  down: "M12 5v13M5.5 12.5L12 19l6.5-6.5",
  leave: "M14 4H6v16h8M11 12h9M16.5 8.5L20 12l-3.5 3.5",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M5.5 11h13v9h-13z",
  channel: "M4 10v4h3l6 4V6L7 10H4ZM16.5 9.5a3.5 3.5 0 0 1 0 5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
