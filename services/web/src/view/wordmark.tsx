/** The name, with its sign. */
export function Wordmark() {
  return (
    <span class="wordmark">
      <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <path d="M16 3c7.4 0 13 5 13 11.4S23.4 26 16 26c-1.5 0-3-.2-4.3-.6-1.7 1.4-4 2.6-6.7 2.9-.6.1-1-.6-.6-1.1 1-1.3 1.7-2.9 1.9-4.3C4.2 20.7 3 17.7 3 14.4 3 8 8.6 3 16 3Z" />
        <circle cx="10.5" cy="14.5" r="1.9" />
        <circle cx="16" cy="14.5" r="1.9" />
        <circle cx="21.5" cy="14.5" r="1.9" />
      </svg>
      Klatch
    </span>
  );
}
