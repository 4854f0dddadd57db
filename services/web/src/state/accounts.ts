/** The server's accounts, asked over HTTP. Whatever goes wrong is a {@link Failure}, as on the connection. */

import { Failure, type User } from "@klatch/client";

export interface Registration {
  username: string;
  /** Where the code goes; a server on trial needs none. */
  email: string;
  password: string;
}

/** What a sign-in gives. */
export interface Tokens {
  token: string;
  /** Good once: it gives the next ones. */
  refreshToken: string;
  /** Seconds until `token` ends. */
  expiresIn: number;
}

/** Longer than the server waits for its own services. */
const ANSWER_MS_MAX = 15_000;
/** People in an answer. */
const PEOPLE_MAX = 8;

/** The answer is the same whether the name is taken or free: only the code tells. */
export async function register({ username, email, password }: Registration): Promise<void> {
  await ask("/auth/register", post({ username, password, ...(email !== "" && { email }) }));
}

export async function verify(name: string, otp: string): Promise<void> {
  await ask("/auth/verify", post({ ...named(name), otp }));
}

export async function logIn(name: string, password: string): Promise<Tokens> {
  return tokensIn(await ask("/auth/login", post({ ...named(name), password })));
}

export async function refresh(refreshToken: string): Promise<Tokens> {
  return tokensIn(await ask("/auth/refresh", post({ refreshToken })));
}

/** The refresh token holds no more. Also said while the page is being closed. */
export async function logOut(refreshToken: string): Promise<void> {
  await ask("/auth/logout", { ...post({ refreshToken }), keepalive: true });
}

/** Those whose name begins so, then those who have it further on; never oneself. */
export async function findPeople(token: string, query: string, signal: AbortSignal): Promise<User[]> {
  const parameters = new URLSearchParams({ q: query, limit: String(PEOPLE_MAX) });
  const headers = { authorization: `Bearer ${token}` };
  const { users } = await ask(`/api/users?${parameters}`, { headers, signal });
  return Array.isArray(users) ? (users as User[]) : [];
}

/** No name has an @, and every address has one. */
function named(name: string): { username: string } | { email: string } {
  return name.includes("@") ? { email: name } : { username: name };
}

function post(body: object): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

function tokensIn({ token, refreshToken, expiresIn }: Record<string, unknown>): Tokens {
  if (typeof token === "string" && typeof refreshToken === "string" && typeof expiresIn === "number") {
    return { token, refreshToken, expiresIn };
  }
  throw new Failure("internal", "The server's answer can't be read.", false);
}

async function ask(path: string, init: RequestInit): Promise<Record<string, unknown>> {
  const patience = AbortSignal.timeout(ANSWER_MS_MAX);
  const signal = init.signal ? AbortSignal.any([init.signal, patience]) : patience;
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, { ...init, signal });
    body = await response.json().catch(() => null);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw patience.aborted
      ? Failure.local("timeout", "The server did not answer in time.")
      : new Failure("unavailable", "The server can't be reached.", true);
  }
  const answer = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  if (response.ok) return answer;
  throw problemIn(answer, response);
}

/** An RFC 9457 problem with our codes; of whatever stands before the server, the status is all there is. */
function problemIn({ code, detail, retryable }: Record<string, unknown>, { status, headers }: Response): Failure {
  const seconds = Number.parseInt(headers.get("retry-after") ?? "", 10);
  return Failure.fromFrame({
    code: code ?? (status === 429 ? "rate_limited" : status >= 500 ? "unavailable" : "internal"),
    message: detail,
    retryable: retryable ?? status >= 429,
    retryAfterMs: Number.isNaN(seconds) ? undefined : seconds * 1_000,
  });
}
