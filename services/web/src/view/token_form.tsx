/** For whoever got a token from somewhere else. */

import { useRef } from "preact/hooks";

export function TokenForm({ isOpen, onToken }: { isOpen: boolean; onToken: (token: string) => void }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? "";
    if (token !== "") onToken(token);
  };
  return (
    <details class="token" open={isOpen}>
      <summary>Use a token</summary>
      <form onSubmit={submit}>
        <label for="token">Token</label>
        <textarea id="token" ref={field} rows={4} spellcheck={false} autocomplete="off" required />
        <p class="hint">
          <code>klatch token mint --user you</code> makes one.
        </p>
        <button type="submit" class="button button-primary">
          Enter
        </button>
      </form>
    </details>
  );
}
