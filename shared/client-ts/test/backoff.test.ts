import assert from "node:assert/strict";
import { test } from "node:test";
import { fullJitter } from "../src/backoff.js";
import { Recent } from "../src/recent.js";
import { endOf } from "../src/token.js";

test("the bound doubles up to the maximum, and the wait is anything below it", () => {
  const retry = { minMs: 500, maxMs: 20_000 };
  const bounds = [0, 1, 2, 5, 6, 1_000].map((attempt) => fullJitter(attempt, retry, 0.9999999));
  assert.deepEqual(bounds, [499, 999, 1_999, 15_999, 19_999, 19_999]);
  assert.equal(fullJitter(5, retry, 0), 0);
});

test("what was seen is remembered up to the limit, the oldest forgotten first", () => {
  const recent = new Recent<number>(2);
  assert.deepEqual([1, 2, 1, 3, 1].map((value) => recent.add(value)), [true, true, false, true, true]);
  assert.equal(recent.size, 2);
});

test("a token's end is read where there is one", () => {
  const token = (claims: object): string => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
  assert.equal(endOf(token({ exp: 5, name: "Zoë ⟨~⟩" })), 5_000);
  for (const bad of ["", "a.b", "a.%%.c", token({}), token({ exp: "5" })]) assert.equal(endOf(bad), null);
});
