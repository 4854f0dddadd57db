import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Failure } from "@klatch/client";
import { rememberedSession, sessionOfAccount, sessionOfToken } from "../src/state/session.js";

/** What the server was asked, and what it answers next. */
let asked: { path: string; body: Record<string, unknown> }[] = [];
let answers: (() => Response)[] = [];
let kept = new Map<string, string>();

const tokens = (number: number): Record<string, unknown> => {
  return { token: `token ${number}`, refreshToken: `refresh ${number}`, expiresIn: 3_600, user: { userId: "ada", username: "ada" } };
};
const first = { token: "token 1", refreshToken: "refresh 1", expiresIn: 3_600 };
const given = (number: number) => () => Response.json(tokens(number));
const problem = (status: number, code: string) => () => Response.json({ code, detail: "no", status, retryable: status >= 429 }, { status });
const unreachable = (): never => {
  throw new TypeError("Failed to fetch");
};

/** The channel between the tabs of a browser, without the browser. */
class Channel {
  static all = new Set<Channel>();
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor() {
    Channel.all.add(this);
  }

  postMessage(data: unknown): void {
    for (const other of Channel.all) if (other !== this) queueMicrotask(() => other.onmessage?.({ data }));
  }

  close(): void {
    Channel.all.delete(this);
  }
}

beforeEach(() => {
  Channel.all.clear();
  asked = [];
  answers = [];
  kept = new Map();
  mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  Object.assign(globalThis, { sessionStorage: storage, BroadcastChannel: Channel });
  globalThis.navigator ??= {} as Navigator; // node has none before 21
  mock.method(globalThis, "fetch", async (path: string, init: RequestInit) => {
    asked.push({ path, body: JSON.parse(String(init.body)) as Record<string, unknown> });
    const answer = answers.shift();
    assert.ok(answer, `nothing was to be asked of ${path}`);
    return answer();
  });
});

afterEach(() => {
  mock.reset();
  mock.timers.reset();
});

test("a token is handed out until shortly before its end, then the next one, which is kept", async () => {
  const session = sessionOfAccount(first);
  mock.timers.tick(3_470_000);
  assert.equal(await session.token(), "token 1");
  mock.timers.tick(20_000);
  answers = [given(2)];
  assert.equal(await session.token(), "token 2");
  assert.deepEqual(asked, [{ path: "/auth/refresh", body: { refreshToken: "refresh 1" } }]);
  assert.equal(await rememberedSession()?.token(), "token 2");
});

test("a refresh token goes out once, however many ask at once", async () => {
  const session = sessionOfAccount(first);
  mock.timers.tick(3_600_000);
  answers = [given(2)];
  assert.deepEqual(await Promise.all([session.token(), session.token(), session.token()]), ["token 2", "token 2", "token 2"]);
  assert.equal(asked.length, 1);
});

test("while the accounts are away the old token does, for as long as it holds", async () => {
  const session = sessionOfAccount(first);
  mock.timers.tick(3_500_000);
  answers = [unreachable, problem(503, "unavailable"), () => new Response("<html>", { status: 502 })];
  for (let time = 0; time < 3; time += 1) assert.equal(await session.token(), "token 1");
  mock.timers.tick(80_000);
  answers = [unreachable];
  await assert.rejects(session.token(), (error) => error instanceof Failure && error.code === "unavailable" && error.retryable);
  answers = [given(2)];
  assert.equal(await session.token(), "token 2");
});

test("a session that is over says so, though its token would hold a moment longer", async () => {
  const session = sessionOfAccount(first);
  mock.timers.tick(3_500_000);
  answers = [problem(401, "not_authenticated")];
  await assert.rejects(session.token(), (error) => error instanceof Failure && error.code === "not_authenticated");
});

test("of a tab and its duplicates one renews the session, the others get it from there", async () => {
  const stranger = sessionOfAccount({ ...first, refreshToken: "another" });
  const tab = sessionOfAccount(first);
  const duplicate = rememberedSession();
  const asleep = rememberedSession();
  mock.timers.tick(3_600_000);
  answers = [given(2)];
  assert.equal(await duplicate?.token(), "token 2");
  assert.equal(await tab.token(), "token 2");
  mock.timers.tick(3_600_000);
  answers = [given(3)];
  assert.equal(await tab.token(), "token 3");
  assert.equal(await asleep?.token(), "token 3", "however much it missed, and whoever answers last");
  assert.deepEqual(asked.map(({ body }) => body), [{ refreshToken: "refresh 1" }, { refreshToken: "refresh 2" }]);
  answers = [given(7)];
  assert.equal(await stranger.token(), "token 7", "another session is nothing to it");
  assert.deepEqual(asked.at(-1)?.body, { refreshToken: "another" });
});

test("who signs out is forgotten here, and the server is told the newest refresh token", async () => {
  const session = sessionOfAccount(first);
  mock.timers.tick(3_600_000);
  answers = [given(2), () => Response.json({ message: "signed out" })];
  const renewed = session.token();
  session.end();
  assert.equal(rememberedSession(), null);
  await renewed;
  while (answers.length > 0) await new Promise(setImmediate);
  assert.deepEqual(asked.at(-1), { path: "/auth/logout", body: { refreshToken: "refresh 2" } });
  assert.equal(rememberedSession(), null, "nothing comes back with the answer that was under way");
});

test("a token of one's own is kept as it is, and nothing is asked about it", async () => {
  sessionOfToken("a.b.c");
  assert.equal(await rememberedSession()?.token(), "a.b.c");
  rememberedSession()?.end();
  assert.equal(rememberedSession(), null);
});

test("what is kept and can't be read is nobody", () => {
  for (const text of ["", "null", "{", "[]", "{}", '"x"']) {
    kept.set("klatch.session", text);
    assert.equal(rememberedSession(), null, text);
  }
});
