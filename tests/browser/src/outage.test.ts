/** What breaks in between is lost to nobody. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Stage } from "./stage.js";

const file = Stage.forFile();

test("the broker is killed in mid-conversation: nothing is lost, nothing comes twice", async () => {
  const { stage } = file;
  const ada = await stage.enter("Ada");
  const ben = await stage.enter("Ben");
  for (const person of [ada, ben]) await person.join("kitchen");
  await ada.say("before");
  await ben.sees("before");

  const broker = stage.klatch.killBroker();
  for (const text of ["while one", "while two", "while three"]) await ada.say(text);
  await broker;
  await ada.allSent();
  await ada.say("after");
  await ben.sees("after");

  const expected = ["before", "while one", "while two", "while three", "after"];
  assert.deepEqual(await ada.texts(), expected);
  assert.deepEqual(await ben.texts(), expected);
  await ben.page.reload();
  await ben.inRoom("kitchen");
  await ben.sees("after");
  assert.deepEqual(await ben.texts(), expected, "history agrees with what was seen live");
});

test("the server restarts: the page says so, keeps what is written, and carries on", async () => {
  const { stage } = file;
  const ada = await stage.enter("Ada");
  const ben = await stage.enter("Ben");
  for (const person of [ada, ben]) await person.join("balcony");
  await ada.say("still here");
  await ben.sees("still here");

  await stage.klatch.down();
  await ada.page.getByText("Connection lost").waitFor();
  await ada.say("written in the dark");
  await ada.page.locator("[data-pending]", { hasText: "written in the dark" }).waitFor();
  await stage.klatch.up();

  await ada.allSent();
  await ben.sees("written in the dark");
  await ada.page.getByText("Connection lost").waitFor({ state: "detached" });
  for (const person of [ada, ben]) assert.deepEqual(await person.texts(), ["still here", "written in the dark"]);
});
