/** Pages of older chat services, from an origin of their own: their own events and their own code, against Klatch. */

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { until } from "./deadline.js";
import { FrontEnd } from "./front-end.js";
import { Stage } from "./stage.js";

const SHOTS = fileURLToPath(new URL("../shots/", import.meta.url));
const frontEnd = await FrontEnd.start();
const file = Stage.forFile({ CORS_ORIGIN: frontEnd.origin });

async function open(name: string, page: string): Promise<Page> {
  frontEnd.server = new URL(file.stage.klatch.url).origin;
  assert.notEqual(frontEnd.server, frontEnd.origin);
  return file.stage.open(name, `${frontEnd.origin}/${page}`);
}

/** Waits until exactly these texts are shown, in this order. */
async function shows(page: Page, selector: string, expected: string[]): Promise<void> {
  const texts = (): Promise<string[]> => page.locator(selector).allTextContents();
  await until(`${selector} shows ${expected.join(" | ")}`, async () =>
    (await texts()).length >= expected.length ? true : null,
  );
  assert.deepEqual(await texts(), expected);
}

async function shoot(page: Page, name: string): Promise<void> {
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: `${SHOTS}${name}.png`, animations: "disabled" });
}

test("seed 000's component: two pages from another origin read each other", async () => {
  const [one, two] = [await open("one", "000.html"), await open("two", "000.html")];
  for (const page of [one, two]) {
    await until("it is connected, by WebSocket in the end", () =>
      page.evaluate(() => {
        const { socket } = (0, eval)("component") as {
          socket: { connected: boolean; io: { engine: { transport: { name: string } } } };
        };
        return socket.connected && socket.io.engine.transport.name === "websocket" ? true : null;
      }),
    );
  }
  const say = async (page: Page, text: string): Promise<void> => {
    await page.getByPlaceholder("Type a message").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  };
  const said = ["Hello from one", `<img src=x onerror="document.title='run'">`, "chào 👋"];
  for (const [index, text] of said.entries()) {
    const speaker = index % 2 === 0 ? one : two;
    await say(speaker, text);
    assert.equal(await speaker.getByPlaceholder("Type a message").inputValue(), "", "the field is cleared");
    for (const page of [one, two]) await shows(page, ".messages p", said.slice(0, index + 1));
  }
  await say(one, "   ");
  await say(two, "the last word");
  for (const page of [one, two]) {
    await shows(page, ".messages p", [...said, "the last word"]);
    assert.equal(await page.title(), "Chat");
  }
  await shoot(one, "seed-000");
});

const ROOM = "seed-001-room";

/** The window of somebody who has filled in the fields and clicked "Connect". */
async function entered(userId: string, username: string): Promise<Page> {
  const page = await open(username, "001.html");
  await page.getByPlaceholder("userId").fill(userId);
  await page.getByPlaceholder("username").fill(username);
  await page.getByPlaceholder("roomId").fill(ROOM);
  await page.getByRole("button", { name: "Connect" }).click();
  await page.locator("#users", { hasText: username }).waitFor();
  return page;
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByPlaceholder("Message").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

test("seed 001's client example: chatting between windows, with history, presence and typing", async () => {
  const john = await entered("user-john", "john_doe");
  const jane = await entered("user-jane", "jane_doe");
  await john.getByText("jane_doe joined").waitFor();
  assert.deepEqual((await jane.locator("#users").textContent())?.split(", ").sort(), ["jane_doe", "john_doe"]);

  await jane.getByPlaceholder("Message").fill("Hi");
  await john.getByText("jane_doe is typing").waitFor();
  await jane.getByPlaceholder("Message").fill("");
  await john.getByText("jane_doe is typing").waitFor({ state: "detached" });

  const year = new Date().getUTCFullYear();
  await say(john, "Hello everyone!");
  await jane.getByText("john_doe: Hello everyone!").waitFor();
  await say(jane, "Hi <b>John</b>");
  const said = [`${year} john_doe: Hello everyone!`, `${year} jane_doe: Hi <b>John</b>`];
  await shows(jane, "#log div div", said);
  await john.getByText("jane_doe: Hi <b>John</b>").waitFor();

  const jim = await entered("user-jim", "jim");
  await shows(jim, "#log div div", said);
  await shoot(jim, "seed-001");
  await jim.context().close();
  await john.getByText("jim left").waitFor();
  for (const page of [john, jane]) assert.equal(await page.getByText("Error:").count(), 0);
});

test("the page of Klatch reads seed 001's room, and is read there", async () => {
  const john = await entered("user-john", "john_doe");
  const ada = await file.stage.enter("Ada");
  await ada.join(ROOM);
  await ada.sees("Hello everyone!");
  await say(john, "Who is there?");
  await ada.sees("Who is there?");
  await ada.say("It is Ada");
  await john.getByText("Ada: It is Ada").waitFor();
  await shoot(ada.page, "seed-001-klatch");
});
