/** Who is signed in, kept for this tab, so that two tabs can be two people. */

import { Failure, freshId } from "@klatch/client";
import { logOut, refresh, type Tokens } from "./accounts.js";
import { Siblings } from "./siblings.js";

export interface Session {
  /**
   * A token that holds for a while yet; another one whenever the one before comes to its end.
   *
   * @throws {Failure} `not_authenticated` where the session is over.
   */
  token(): Promise<string>;
  /** Forgets it, here and at the server. */
  end(): void;
}

/** What an account's session is made of. */
interface Held {
  /** The same through all renewals. */
  id: string;
  token: string;
  refreshToken: string;
  endsAt: number;
}

const KEY = "klatch.session";
/** Sooner than the client asks for another token (`renewBeforeMs`), so that it gets one then. */
const RENEW_BEFORE_MS = 120_000;
/** Closer to its end a token is not handed out: by the server's clock it may have ended. */
const LEFT_MS_MIN = 30_000;

export function rememberedSession(): Session | null {
  const kept = read();
  if (kept === null) return null;
  return "refreshToken" in kept ? new AccountSession(kept) : new TokenSession(kept.token);
}

/** Somebody with a token of their own, for as long as it holds. */
export function sessionOfToken(token: string): Session {
  keep({ token });
  return new TokenSession(token);
}

/** Somebody who has signed in. */
export function sessionOfAccount(tokens: Tokens): Session {
  return new AccountSession(held(freshId(), tokens));
}

class TokenSession implements Session {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  async token(): Promise<string> {
    return this.#token;
  }

  end(): void {
    sessionStorage.removeItem(KEY);
  }
}

class AccountSession implements Session {
  readonly #siblings: Siblings<Held>;
  #held: Held;
  #renewal: Promise<string> | null = null;
  #isOver = false;

  constructor(held: Held) {
    this.#held = held;
    keep(held);
    this.#siblings = new Siblings(() => this.#held);
  }

  async token(): Promise<string> {
    if (isFresh(this.#held)) return this.#held.token;
    // A refresh token is good once: the same twice would look like a theft, and end the session.
    this.#renewal ??= this.#siblings.alone(() => this.#renew()).finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  end(): void {
    this.#isOver = true;
    sessionStorage.removeItem(KEY);
    void this.#logOut();
  }

  async #logOut(): Promise<void> {
    // The token that the renewal under way brings is the one to be ended.
    await this.#renewal?.catch(() => {});
    this.#siblings.close();
    // Where nobody hears it, it ends by itself.
    await logOut(this.#held.refreshToken).catch(() => {});
  }

  async #renew(): Promise<string> {
    const { token, endsAt } = this.#held;
    try {
      const newest = await this.#siblings.newest();
      this.#held = isFresh(newest) ? newest : held(newest.id, await refresh(newest.refreshToken));
      if (!this.#isOver) keep(this.#held);
      return this.#held.token;
    } catch (error) {
      const isLeft = Date.now() < endsAt - LEFT_MS_MIN;
      if (error instanceof Failure && error.retryable && isLeft) return token;
      throw error;
    }
  }
}

/** Counted from here and now, whatever the server's clock says. */
function held(id: string, { token, refreshToken, expiresIn }: Tokens): Held {
  return { id, token, refreshToken, endsAt: Date.now() + expiresIn * 1_000 };
}

function isFresh({ endsAt }: Held): boolean {
  return Date.now() < endsAt - RENEW_BEFORE_MS;
}

function keep(kept: Held | { token: string }): void {
  sessionStorage.setItem(KEY, JSON.stringify(kept));
}

function read(): Held | { token: string } | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return typeof kept === "object" && kept !== null && "token" in kept ? (kept as Held) : null;
  } catch {
    return null;
  }
}
