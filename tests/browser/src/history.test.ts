/** A long conversation: the newest page first, the rest on the way up. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Locator } from "playwright-core";
import { until } from "./deadline.js";
import { program } from "./program.js";
import { Stage } from "./stage.js";

const file = Stage.forFile();
const MESSAGES = 180;

/** Says many things quickly, as a program does. */
async function fill(room: string): Promise<void> {
  const client = await program(file.stage.klatch, "Ada");
  await client.join(room);
  let sent = 0;
  client.on("outgoing", ({ state }) => {
    assert.notEqual(state.is, "failed");
    if (state.is === "sent") sent += 1;
  });
  for (let number = 1; number <= MESSAGES; number += 1) client.send(room, { message: `message ${number}.` });
  await until("all are sent", () => (sent === MESSAGES ? true : null), 60_000);
  client.close();
}

test("older messages come in above while one scrolls up, and the reader keeps their place", async () => {
  const room = "archive";
  await fill(room);
  const ben = await file.stage.enter("Ben");
  await ben.join(room);
  await ben.sees(`message ${MESSAGES}.`);
  const first = await ben.texts();
  assert.ok(first.length < MESSAGES, "not everything at once");
  assert.equal(first.at(-1), `message ${MESSAGES}.`);

  const oldest = first[0]!;
  await ben.message(oldest).scrollIntoViewIfNeeded();
  await until("an older page is there", async () => ((await ben.texts()).length > first.length ? true : null));
  await ben.message(oldest).waitFor();
  assert.ok(await isInSight(ben.message(oldest)), "what was read is still in sight");

  await until("the beginning is there", async () => {
    await ben.page.locator(".timeline").evaluate((box) => (box.scrollTop = 0));
    return (await ben.page.getByText("This is where it began").count()) > 0 ? true : null;
  });
  const expected = Array.from({ length: MESSAGES }, (_, index) => `message ${index + 1}.`);
  assert.deepEqual(await ben.texts(), expected, "each once, in order");
});

test("who reads further up stays there while news come, and is told of them", async () => {
  const ada = await file.stage.enter("Ada");
  const ben = await file.stage.enter("Ben");
  for (const person of [ada, ben]) await person.join("archive");
  await ben.sees(`message ${MESSAGES}.`);
  await ben.page.locator(".timeline").evaluate((box) => (box.scrollTop -= 600));
  await ben.page.getByRole("button", { name: "Latest" }).waitFor();
  await ada.say("news from below");
  await ben.page.getByRole("button", { name: "1 new" }).click();
  await ben.sees("news from below");
  await until("it is in sight", async () => ((await isInSight(ben.message("news from below"))) ? true : null));
});

async function isInSight(message: Locator): Promise<boolean> {
  return message.first().evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
}
