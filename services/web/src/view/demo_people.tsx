/** People to try a server as. */

import type { DemoPerson } from "../state/offer.js";
import { Avatar } from "./avatar.js";

export function DemoPeople({ people, onToken }: { people: readonly DemoPerson[]; onToken: (token: string) => void }) {
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
