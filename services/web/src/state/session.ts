/** Who is signed in, kept for this tab, so that two tabs can be two people. */

import { Failure } from "@klatch/client";
import { logOut, refresh, type Tokens } from "./accounts.js";

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

/** What is kept. */
type Kept = { token: string } | (Omit<Tokens, "expiresIn"> & { endsAt: number });

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
  return new AccountSession(kept(tokens));
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
  #held: Extract<Kept, { refreshToken: string }>;
  #renewal: Promise<string> | null = null;
  #isOver = false;

  constructor(held: Extract<Kept, { refreshToken: string }>) {
    this.#held = held;
    keep(held);
  }

  async token(): Promise<string> {
    const { token, endsAt } = this.#held;
    if (Date.now() < endsAt - RENEW_BEFORE_MS) return token;
    // A refresh token is good once: the same twice would look like a theft, and end the session.
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  end(): void {
    this.#isOver = true;
    sessionStorage.removeItem(KEY);
    // Where nobody hears it, the token ends by itself.
    const last = this.#renewal?.catch(() => {}) ?? Promise.resolve();
    void last.then(() => logOut(this.#held.refreshToken)).catch(() => {});
  }

  async #renew(): Promise<string> {
    const { token, refreshToken, endsAt } = this.#held;
    try {
      this.#held = kept(await refresh(refreshToken));
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
function kept({ token, refreshToken, expiresIn }: Tokens): Extract<Kept, { refreshToken: string }> {
  return { token, refreshToken, endsAt: Date.now() + expiresIn * 1_000 };
}

function keep(kept: Kept): void {
  sessionStorage.setItem(KEY, JSON.stringify(kept));
}

function read(): Kept | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return typeof kept === "object" && kept !== null && "token" in kept ? (kept as Kept) : null;
  } catch {
    return null;
  }
}
