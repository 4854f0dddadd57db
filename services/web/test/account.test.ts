import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "@klatch/client";
import { codeMistake, codeRefused, emailMistake, logInRefused, nameMistake, passwordMistake, registerRefused } from "../src/text/account.js";

test("names that the server takes are no mistakes, others are told why", () => {
  for (const fine of ["ada", "Ada Lovelace", "ada.l-1_x", "Ägnes", "अनुष्का", "O'Neil", "a", "x".repeat(64)]) {
    assert.equal(nameMistake(fine), undefined, fine);
  }
  for (const bad of ["", "~ada", "a  b", "a@b.c", "a/b", "a\\b", "a:b", "<b>", 'a"b', "a&b", "x".repeat(65), "ü".repeat(33)]) {
    assert.match(nameMistake(bad) ?? "", /.{10,}[.?&]$/, bad);
  }
});

test("an address is needed where the code goes there, and looks like one", () => {
  assert.equal(emailMistake("ada@example.org", true), undefined);
  assert.equal(emailMistake("", false), undefined);
  for (const bad of ["", "ada", "ada@", "@example.org", "a b@example.org", "ada@home"]) assert.ok(emailMistake(bad, true), bad);
});

test("a password is as long as was said, in letters as people count them", () => {
  assert.equal(passwordMistake("12345678"), undefined);
  assert.match(passwordMistake("12345") ?? "", /3 more/);
  assert.match(passwordMistake("🦊🦊🦊🦊") ?? "", /4 more/);
  assert.ok(passwordMistake(""));
});

test("a code is six digits", () => {
  assert.equal(codeMistake("012345"), undefined);
  for (const bad of ["", "12345", "1234567", "12345a", "１２３４５６"]) assert.ok(codeMistake(bad), bad);
});

test("a refusal stands beside the field that it is about, and says no more than the server does", () => {
  const failure = (code: Failure["code"], message: string, afterMs?: number): Failure => new Failure(code, message, false, afterMs);
  assert.deepEqual(Object.keys(logInRefused(failure("not_authenticated", "the name or the password is wrong"))), ["password"]);
  assert.deepEqual(Object.keys(codeRefused(failure("invalid_field", "the code is wrong or no longer good"))), ["code"]);
  assert.deepEqual(registerRefused(failure("invalid_field", "password has 9 bytes, not 12 to 1024")), {
    password: "Password has 9 bytes, not 12 to 1024.",
  });
  assert.deepEqual(Object.keys(registerRefused(failure("invalid_field", "missing field `x`"))), ["form"]);
  assert.match(logInRefused(failure("rate_limited", "too many", 41_000)).form ?? "", /wait 41 seconds/);
  assert.match(registerRefused(failure("rate_limited", "too many", 720_000)).form ?? "", /wait 12 minutes/);
  assert.match(codeRefused(failure("unavailable", "")).form ?? "", /try again/);
});
