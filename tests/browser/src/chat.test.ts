/** Two people in one room: what one does, the other sees. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./deadline.js";
import { program } from "./program.js";
import { Stage } from "./stage.js";

const file = Stage.forFile();

test("two people in one room: send, receive, typing, edit, delete, reload", async (t) => {
  const ada = await file.stage.enter("Ada");
  const ben = await file.stage.enter("Ben");
  await ada.join("kitchen");
  await ben.join("kitchen");

  await t.test("each sees that the other is here", async () => {
    await ada.here("Ben").waitFor();
    await ben.here("Ada").waitFor();
  });

  await t.test("what one says both read, once and in one order", async () => {
    await ada.say("Good morning");
    await ben.sees("Good morning");
    await ben.say("Good morning, Ada");
    await ada.sees("Good morning, Ada");
    await ada.allSent();
    assert.deepEqual(await ada.texts(), ["Good morning", "Good morning, Ada"]);
    assert.deepEqual(await ben.texts(), ["Good morning", "Good morning, Ada"]);
  });

  await t.test("who types is seen typing, until they stop", async () => {
    await ben.composer.pressSequentially("Well");
    await ada.page.getByText("Ben is typing").waitFor();
    await ben.composer.fill("");
    await ada.page.getByText("Ben is typing").waitFor({ state: "detached" });
  });

  await t.test("an edit changes the message for both", async () => {
    await ada.message("Good morning").first().focus();
    await ada.page.keyboard.press("e");
    const field = ada.page.getByRole("textbox", { name: "Edit message" });
    await field.fill("Good evening");
    await field.press("Enter");
    for (const person of [ada, ben]) await person.message("Good evening").getByText("edited").waitFor();
  });

  await t.test("a deletion takes the words away for both", async () => {
    await ben.message("Good morning, Ada").hover();
    await ben.page.getByRole("button", { name: "Delete message" }).last().click();
    await ben.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    for (const person of [ada, ben]) {
      await person.sees("This message was deleted");
      assert.equal(await person.message("Good morning, Ada").count(), 0);
    }
  });

  await t.test("after a reload everything is as it was", async () => {
    await ada.page.reload();
    await ada.inRoom("kitchen");
    await ada.message("Good evening").getByText("edited").waitFor();
    assert.deepEqual(await ada.texts(), ["Good evening", "This message was deleted."]);
    await ben.here("Ada").waitFor();
  });

  await t.test("who goes is not here any more", async () => {
    await ben.page.context().close();
    await ada.here("Ben").waitFor({ state: "detached" });
  });
});

test("what was said in another room is counted there, until it is read", async () => {
  const ada = await file.stage.enter("Ada");
  const ben = await file.stage.enter("Ben");
  for (const person of [ada, ben]) await person.join("office");
  await ada.composer.fill("not yet finished");
  await ada.join("balcony");
  await ben.say("Anybody here?");
  await ben.say("Hello?");
  await ada.roomRow("office").getByText("2 unread").waitFor();
  await ada.open("office");
  await ada.sees("Hello?");
  await ada.page.getByText("New", { exact: true }).waitFor();
  assert.equal(await ada.composer.inputValue(), "not yet finished");
  await ada.roomRow("office").getByText("unread").waitFor({ state: "detached" });
  await until("the mark outlives a reload", async () => {
    await ada.page.reload();
    await ada.roomRow("office").waitFor();
    return (await ada.roomRow("office").getByText("unread").count()) === 0 ? true : null;
  });
});

test("what a moderator does is seen by all, and by the one it is done to", async () => {
  const ada = await program(file.stage.klatch, "Ada");
  const room = "salon";
  await ada.join(room);
  const ben = await file.stage.enter("Ben");
  await ben.join(room);

  const about = { roomId: room, userId: "ben" };
  await ada.request("chat.mute", about);
  await ben.page.getByText("Ben was muted by ada").waitFor();
  await ben.say("may I?");
  await ben.page.locator("[data-pending]").getByText("You have been muted").waitFor();
  await ada.request("chat.mute", { ...about, remove: true });
  await ben.page.getByText("Ben may write again").waitFor();
  await ben.page.getByRole("button", { name: "Try again" }).click();
  await ben.sees("may I?");

  await ada.request("chat.kick", { ...about, reason: "goodbye" });
  await ben.page.getByText("A moderator removed you").waitFor();
  assert.equal(await ben.roomRow(room).count(), 0);
  ada.close();
});

test("one person on two devices is one conversation", async () => {
  const desk = await file.stage.enter("Ada");
  const phone = await file.stage.enter("Ada");
  for (const device of [desk, phone]) await device.join("notes to self");
  await desk.say("buy milk");
  await phone.sees("buy milk");
  await phone.say("done");
  await desk.sees("done");
  await desk.allSent();
  for (const device of [desk, phone]) assert.deepEqual(await device.texts(), ["buy milk", "done"]);
  assert.equal(await desk.here("Ada").count(), 1);
});
