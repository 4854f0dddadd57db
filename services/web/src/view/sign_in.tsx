/** Who are you? One of the people of a demo, or whoever a token says. */

import { useEffect, useRef, useState } from "preact/hooks";
import { demoPeople, type DemoPerson } from "../state/identity.js";
import { Avatar } from "./avatar.js";
import { Wordmark } from "./wordmark.js";

interface Props {
  refusal: string | null;
  onToken: (token: string) => void;
}

export function SignIn({ refusal, onToken }: Props) {
  const [people, setPeople] = useState<DemoPerson[] | null>(null);
  useEffect(() => {
    void demoPeople().then(setPeople);
  }, []);

  return (
    <main class="sign-in">
      <div class="sign-in-card">
        <Wordmark />
        <h1>Come in, sit down.</h1>
        <p class="sign-in-lead">Klatch is a place to talk. Who are you?</p>
        {refusal !== null && (
          <p class="alert" role="alert">
            {refusal}
          </p>
        )}
        {people !== null && people.length > 0 && <DemoPeople people={people} onToken={onToken} />}
        {people !== null && <TokenForm isOpen={people.length === 0} onToken={onToken} />}
      </div>
    </main>
  );
}

function DemoPeople({ people, onToken }: { people: DemoPerson[]; onToken: (token: string) => void }) {
  return (
    <section aria-labelledby="demo-title">
      <h2 id="demo-title" class="label">
        Demo people
      </h2>
      <ul class="demo-people">
        {people.map(({ userId, username, token }) => (
          <li key={userId}>
            <button type="button" class="person-button" onClick={() => onToken(token)}>
              <Avatar id={userId} name={username} size="large" />
              <span>
                <strong>{username}</strong>
                <small>{userId}</small>
              </span>
            </button>
          </li>
        ))}
      </ul>
      <p class="hint">Each tab is a person of its own: open two, and they can talk.</p>
    </section>
  );
}

function TokenForm({ isOpen, onToken }: { isOpen: boolean; onToken: (token: string) => void }) {
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
          Sign in
        </button>
      </form>
    </details>
  );
}
