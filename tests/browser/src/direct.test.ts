/** One finds somebody by name and writes to them; it is one conversation, called by whom it is with. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Stage } from "./stage.js";

const file = Stage.forFile();
const PASSWORD = "four words are plenty";

test("two with accounts find each other by name and talk, whoever writes first", async (t) => {
  const cleo = await file.stage.arrive("Cleopatra");
  const anton = await file.stage.arrive("Anton");
  await cleo.signUp("Cleopatra", PASSWORD);
  await anton.signUp("Anton", PASSWORD);

  await t.test("a part of the name, in small letters, and the keyboard will do", async () => {
    const dialog = await anton.newMessage();
    assert.equal(await anton.page.locator(":focus").getAttribute("role"), "combobox", "one can write at once");
    const field = dialog.getByRole("combobox");
    await field.pressSequentially("patra");
    await dialog.getByRole("option", { name: "Cleopatra" }).waitFor();
    await field.press("Enter");
    await anton.inRoom("Cleopatra");
  });

  await t.test("before anything is said, both see whom the room is with", async () => {
    await anton.roomRow("Cleopatra").getByText("Nothing said yet").waitFor();
    await cleo.roomRow("Anton").getByText("Nothing said yet").waitFor();
  });

  await t.test("what one says reaches the other, who has nothing open", async () => {
    await anton.say("Just between us");
    await cleo.roomRow("Anton").getByText("1 unread").waitFor();
    await cleo.roomRow("Anton").click();
    await cleo.sees("Just between us");
    await cleo.page.locator(".head p", { hasText: "here now" }).waitFor();
  });

  await t.test("who writes from the other side comes to the same room", async () => {
    const place = cleo.page.url();
    await cleo.page.goto(`${file.stage.klatch.url}#/`);
    await cleo.writeTo("Anton");
    assert.equal(cleo.page.url(), place);
    await cleo.say("And to you");
    await anton.sees("And to you");
  });

  await t.test("after a reload the name is there, also where only oneself has spoken last", async () => {
    for (const [person, other] of [[cleo, "Anton"], [anton, "Cleopatra"]] as const) {
      await person.page.reload();
      await person.inRoom(other);
      await person.sees("And to you");
      assert.deepEqual(await person.texts(), ["Just between us", "And to you"]);
      assert.match(await person.page.title(), new RegExp(other));
    }
  });
});

test("the search goes with the arrows, finds no one by nonsense, and never oneself", async () => {
  const first = await file.stage.arrive("Lena one");
  await first.signUp("Lena one", PASSWORD);
  const second = await file.stage.arrive("Lena two");
  await second.signUp("Lena two", PASSWORD);
  const ada = await file.stage.enter("Ada");

  const dialog = await ada.newMessage();
  const field = dialog.getByRole("combobox");
  await field.fill("lena");
  const selected = dialog.getByRole("option", { selected: true });
  await dialog.getByRole("option").nth(1).waitFor();
  const names = await dialog.getByRole("option").locator("strong").allInnerTexts();
  assert.deepEqual(names.sort(), ["Lena one", "Lena two"]);
  const one = await selected.innerText();
  await field.press("ArrowDown");
  assert.notEqual(await selected.innerText(), one);
  assert.equal(await field.getAttribute("aria-activedescendant"), await selected.getAttribute("id"));
  await field.press("ArrowDown");
  assert.equal(await selected.innerText(), one, "round and round");

  await field.fill("nobody is called so");
  await dialog.getByText("Nobody here is called that").waitFor();
  assert.equal(await dialog.getByRole("option").count(), 0);
  await field.fill("ada");
  await dialog.getByText("Nobody here is called that").waitFor();

  // The list of an older name is never taken for that of a newer one.
  await field.fill("lena two");
  await field.press("Enter");
  await ada.inRoom("Lena two");
});

test("Escape closes the search and gives the focus back", async () => {
  const ada = await file.stage.enter("Ada");
  const dialog = await ada.newMessage();
  await dialog.getByRole("combobox").press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await ada.page.locator(":focus").getAttribute("aria-label"), "New message");
});

test("a name that looks like markup is shown as text, wherever it stands", async () => {
  const name = `<img src=x onerror="document.title='run'">`;
  const mallory = await file.stage.arrive("Mallory");
  await mallory.useToken(await file.stage.klatch.token("mallory", name));
  await mallory.page.getByText("Online").waitFor();
  const ben = await file.stage.enter("Ben");
  await mallory.writeTo("Ben");
  await mallory.say("look at my name");
  await ben.roomRow(name).click();
  await ben.sees("look at my name");
  await ben.page.getByRole("heading", { level: 1, name }).waitFor();
  await ben.here(name).waitFor();
  for (const person of [ben, mallory]) {
    assert.equal(await person.page.locator("img").count(), 0);
    assert.doesNotMatch(await person.page.title(), /^run/);
  }
});
