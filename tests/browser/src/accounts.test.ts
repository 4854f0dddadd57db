/** Somebody who comes for the first time, makes an account, goes and comes back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Person } from "./person.js";
import { Stage } from "./stage.js";

const file = Stage.forFile();
const PASSWORD = "four words are plenty";

test("an account is made with a name, a password and a code; one goes, and comes back in", async (t) => {
  const cleo = await file.stage.arrive("Cleo");

  await t.test("a wrong code is told so, beside the code", async () => {
    await cleo.register("Cleo", PASSWORD);
    await cleo.bringCode("000000");
    assert.match(await cleo.mistake("Code"), /not right/);
    assert.equal(await cleo.page.locator(":focus").getAttribute("name"), "code", "ready to write another");
    assert.equal(await cleo.field("Code").getAttribute("autocomplete"), "one-time-code");
    assert.equal(await cleo.field("Code").getAttribute("inputmode"), "numeric");
  });

  await t.test("the right one leads straight in", async () => {
    await cleo.bringCode("123 456");
    await cleo.page.locator(".self", { hasText: "Cleo" }).getByText("Online").waitFor();
    await cleo.join("kitchen");
    await cleo.say("hello from a real account");
    await cleo.allSent();
  });

  await t.test("a reload keeps the session", async () => {
    await cleo.page.reload();
    await cleo.inRoom("kitchen");
    await cleo.sees("hello from a real account");
  });

  await t.test("signing out ends it, here and at the server", async () => {
    const { refreshToken } = await cleo.keptSession();
    const loggedOut = cleo.page.waitForResponse((response) => response.url().endsWith("/auth/logout"));
    await cleo.signOut();
    assert.equal((await loggedOut).status(), 200);
    assert.equal(await cleo.page.evaluate(() => sessionStorage.length), 0);
    const answer = await post("/auth/refresh", { refreshToken });
    assert.equal(answer.status, 401, "the refresh token holds no more");
  });

  await t.test("a wrong password is told so, beside the password", async () => {
    await cleo.logIn("Cleo", "something else");
    assert.match(await cleo.mistake("Password"), /not right/);
    assert.equal(await cleo.field("Name or e-mail").inputValue(), "Cleo", "what was right need not be written again");
  });

  await t.test("the right one leads back to the rooms", async () => {
    await cleo.logIn("cleo", PASSWORD);
    await cleo.open("kitchen");
    await cleo.sees("hello from a real account");
  });
});

test("each mistake is told beside its field before anything is sent, and the rules before the mistake", async () => {
  const dora = await file.stage.arrive("Dora");
  const sent: string[] = [];
  dora.page.on("request", (request) => sent.push(new URL(request.url()).pathname));
  await dora.page.getByText("Create an account").click();
  await dora.page.getByText("At least 8 letters, digits or signs").waitFor();
  await dora.page.getByRole("button", { name: "Create account" }).click();
  assert.match(await dora.mistake("Name"), /What are you to be called/);
  assert.match(await dora.mistake("Password"), /anybody could be you/);
  assert.equal(await dora.page.locator(":focus").getAttribute("name"), "username", "the first of them has the focus");

  await dora.field("Name").fill("<dora>");
  await dora.field("E-mail").fill("dora at home");
  await dora.field("Password").fill("short");
  await dora.page.getByRole("button", { name: "Create account" }).click();
  assert.match(await dora.mistake("Name"), /have none of these/);
  assert.match(await dora.mistake("E-mail"), /no e-mail address/);
  assert.match(await dora.mistake("Password"), /3 more/);
  assert.deepEqual(sent.filter((path) => path.startsWith("/auth")), []);

  await dora.field("Name").fill("dora\u200b");
  await dora.field("E-mail").fill("");
  await dora.field("Password").fill(PASSWORD);
  await dora.page.getByRole("button", { name: "Create account" }).click();
  assert.match(await dora.mistake("Name"), /Username holds/, "what only the server minds stands there, too");
});

test("with the keyboard alone: sign up, be somebody, sign out", async () => {
  const emil = await file.stage.arrive("Emil");
  const { page } = emil;
  await page.getByRole("radio", { name: "Sign in" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Emil");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your code, please." }).waitFor();
  await page.keyboard.type("123456");
  await page.keyboard.press("Enter");
  await page.locator(".self", { hasText: "Emil" }).getByText("Online").waitFor();
  await page.getByRole("button", { name: "Sign out" }).focus();
  await page.keyboard.press("Enter");
  await emil.field("Name or e-mail").waitFor();
});

test("who registered and went comes back with the code", async () => {
  const answer = await post("/auth/register", { username: "Finn", password: PASSWORD });
  assert.equal(answer.status, 201);
  const finn = await file.stage.arrive("Finn");
  await finn.page.getByText("Create an account").click();
  await finn.page.getByRole("button", { name: "I have a code already" }).click();
  await finn.field("Name or e-mail").fill("Finn");
  await finn.bringCode("123456");
  await finn.page.getByRole("status").filter({ hasText: "Your account is there" }).waitFor();
  assert.equal(await finn.field("Name or e-mail").inputValue(), "Finn");
  await finn.logIn("Finn", PASSWORD);
  await finn.page.getByText("Online").waitFor();
});

test("a token that comes to its end is replaced on the open connection; a session that is over says so", async () => {
  const gina = await file.stage.arrive("Gina");
  const { clock } = gina.page;
  await clock.install();
  await gina.page.reload();
  await gina.signUp("Gina", PASSWORD);
  await gina.join("kitchen");

  // Two minutes and a little before its end the token still does for a new connection.
  const inSeconds = (seconds: number): number => Date.now() + seconds * 1_000;
  await clock.setSystemTime(inSeconds(3_600 - 125));
  const connections: string[][] = [];
  gina.page.on("websocket", (socket) => {
    const sent: string[] = [];
    connections.push(sent);
    socket.on("framesent", ({ payload }) => sent.push(String(payload)));
  });
  await gina.page.reload();
  await gina.inRoom("kitchen");
  const isRenewed = (): boolean => connections.some((sent) => sent.some((frame) => frame.includes("chat.auth")));
  for (let second = 0; second < 90 && !isRenewed(); second += 9) {
    // In steps shorter than the page waits for a sign of life, each with one.
    await clock.runFor(9_000);
    await gina.say(`${second} seconds`);
    await gina.sees(`${second} seconds`);
  }
  assert.ok(isRenewed(), "a new token went over the connection");
  assert.equal(connections.length, 1, "and it was one connection all the time");

  const { refreshToken } = await gina.keptSession();
  await post("/auth/logout", { refreshToken });
  await clock.setSystemTime(inSeconds(3 * 3_600));
  await gina.page.reload();
  await gina.page.getByRole("alert").filter({ hasText: "Your session is over" }).waitFor();
});

test("a duplicated tab goes on beside the first: one of them renews the session for both", async () => {
  const tab = await file.stage.arrive("Hanna");
  await tab.signUp("Hanna", PASSWORD);
  const duplicate = new Person(await tab.page.context().newPage());
  await duplicate.page.goto(file.stage.klatch.url);
  const kept = JSON.stringify(await tab.keptSession());
  await duplicate.page.evaluate((session) => sessionStorage.setItem("klatch.session", session), kept);
  const renewals: string[] = [];
  tab.page.context().on("request", (request) => {
    if (request.url().endsWith("/auth/refresh")) renewals.push(request.postData() ?? "");
  });
  const both = [tab, duplicate];
  for (const { page } of both) await page.clock.install({ time: Date.now() + 3_590_000 });
  await Promise.all(both.map(({ page }) => page.reload()));
  for (const { page } of both) await page.getByText("Online").waitFor();
  assert.equal(renewals.length, 1);
  assert.deepEqual(await tab.keptSession(), await duplicate.keptSession());
});

function post(path: string, body: object): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(new URL(path, file.stage.klatch.url), { method: "POST", headers, body: JSON.stringify(body) });
}
