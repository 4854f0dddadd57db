/** Text is text, and the page can be used without eyes and without a mouse. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Stage } from "./stage.js";

const file = Stage.forFile();

const HOSTILE = [
  `<img src=x onerror="document.title='run'">`,
  `<script>document.title='run'</script>`,
  `javascript:alert(1)`,
  `"><svg/onload=document.title='run'>`,
  `\u202Egnp.exe`,
  `**not** [a link](javascript:alert(1)) &lt;b&gt;`,
];

test("whatever a message looks like, it is shown as text", async () => {
  const ada = await file.stage.enter("Ada");
  const ben = await file.stage.enter("Ben");
  for (const person of [ada, ben]) await person.join("lab");
  for (const text of HOSTILE) await ada.say(text);
  await ada.allSent();
  await ben.sees("**not**");
  for (const person of [ada, ben]) {
    assert.deepEqual(await person.texts(), HOSTILE);
    assert.equal(await person.page.locator(".message-text *").count(), 0, "no element came out of a text");
    assert.doesNotMatch(await person.page.title(), /run/);
  }
});

test("a room's name and an address of the web are harmless too", async () => {
  const ada = await file.stage.enter("Ada");
  const room = `<img src=x onerror="document.title='run'">`;
  await ada.join(room);
  await ada.say("see https://example.org/a?b=1.");
  const link = ada.page.locator(".message-text a");
  await link.waitFor();
  assert.equal(await link.getAttribute("href"), "https://example.org/a?b=1");
  assert.match((await link.getAttribute("rel")) ?? "", /noopener/);
  assert.equal(await ada.page.locator("img").count(), 0);
});

test("the page comes with a policy that forbids everything it does not need", async () => {
  const response = await fetch(file.stage.klatch.url);
  const policy = response.headers.get("content-security-policy") ?? "";
  for (const rule of ["default-src 'self'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"]) {
    assert.ok(policy.includes(rule), `${rule} in ${policy}`);
  }
  assert.ok(!policy.includes("unsafe"));
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
});

test("a token that is none is refused with a word, not tried for ever", async () => {
  const ada = await file.stage.enter("Ada");
  await ada.signOut();
  await ada.useToken("not.a.token");
  await ada.page.getByRole("alert").filter({ hasText: "does not accept this token" }).waitFor();
});

test("everything can be done with the keyboard, and new messages are read out", async () => {
  const ada = await file.stage.enter("Ada");
  const ben = await file.stage.enter("Ben");
  for (const person of [ada, ben]) await person.join("study");
  await ben.say("can you hear me");
  await ada.page.locator("[data-announcer]", { hasText: "Ben: can you hear me" }).waitFor({ state: "attached" });

  await ada.say("loud and clear");
  await ada.allSent();
  const focused = ada.page.locator(":focus");
  await ada.composer.press("ArrowUp");
  const field = ada.page.getByRole("textbox", { name: "Edit message" });
  await field.waitFor();
  await field.press("End");
  await ada.page.keyboard.type("!");
  await ada.page.keyboard.press("Enter");
  await ada.message("loud and clear!").waitFor();

  await ada.page.keyboard.press("ArrowUp");
  assert.match((await focused.getAttribute("aria-label")) ?? "", /can you hear me/);
  await ada.page.keyboard.press("ArrowDown");
  await ada.page.keyboard.press("Delete");
  await ada.page.getByRole("dialog").waitFor();
  await ada.page.keyboard.press("Escape");
  await ada.page.getByRole("dialog").waitFor({ state: "detached" });
  assert.match((await focused.getAttribute("aria-label")) ?? "", /loud and clear!/, "the focus is back where it was");
});
