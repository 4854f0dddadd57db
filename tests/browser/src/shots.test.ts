/** Pictures for people to look at: phone and desktop, by day and by night. They assert nothing but that they come about. */

import { mkdir } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { BrowserContextOptions } from "playwright-core";
import type { Person } from "./person.js";
import { Stage } from "./stage.js";

const file = Stage.forFile();
const FOLDER = fileURLToPath(new URL("../shots/", import.meta.url));

const SIZES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};

/** Each size by day and by night, one after the other. */
async function forEachLook(look: (name: string, options: BrowserContextOptions) => Promise<void>): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  for (const [name, size] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"] as const) await look(`${name}-${colorScheme}`, { ...size, colorScheme });
  }
}

function shoot({ page }: Person, what: string): Promise<unknown> {
  return page.screenshot({ path: `${FOLDER}${what}.png`, animations: "disabled" });
}

test("rooms and a conversation", async () => {
  const ben = await file.stage.enter("Ben");
  await ben.join("kitchen");
  for (const text of ["Is there coffee left?", "I will make some, give me a minute.", "Notes are at https://example.org/notes — have a look."]) {
    await ben.say(text);
  }
  await ben.allSent();
  await forEachLook(async (look, options) => {
    const ada = await file.stage.enter("Ada", options);
    await shoot(ada, `${look}-rooms`);
    await ada.join("kitchen");
    await ada.sees("have a look");
    await ada.say(`Thank you! This is ${look}.`);
    await ada.allSent();
    await ben.composer.pressSequentially("…");
    await ada.page.getByText("Ben is typing").waitFor();
    await shoot(ada, `${look}-room`);
    await ben.composer.fill("");
    await ada.message(`This is ${look}`).focus();
    await ada.page.keyboard.press("e");
    await shoot(ada, `${look}-edit`);
    await ada.page.keyboard.press("Escape");
    await ada.page.getByRole("button", { name: "People in this room" }).click();
    await shoot(ada, `${look}-people`);
    await ada.page.keyboard.press("Escape");
    await ada.page.getByRole("button", { name: "Sign out" }).or(ada.page.getByRole("link", { name: "All rooms" })).first().click();
    await shoot(ada, `${look}-after`);
    await ada.page.context().close();
  });
});

test("signing up and in, and writing to somebody", async () => {
  await forEachLook(async (look, options) => {
    const person = await file.stage.arrive(look, options);
    await person.page.getByRole("button", { name: "Ada" }).waitFor();
    await shoot(person, `${look}-sign-in`);
    await person.logIn(look, "not the password");
    await person.mistake("Password");
    await shoot(person, `${look}-wrong-password`);
    await person.register("ada@home", "short");
    await person.mistake("Name");
    await shoot(person, `${look}-register`);
    await person.register(look, "four words are plenty");
    await person.bringCode("000000");
    await person.mistake("Code");
    await shoot(person, `${look}-code`);
    await person.bringCode("123456");
    await person.page.getByText("Online").waitFor();
    const dialog = await person.newMessage();
    await dialog.getByRole("combobox").fill("a");
    await dialog.getByRole("option").first().waitFor();
    await shoot(person, `${look}-new-message`);
    await dialog.getByRole("combobox").fill("Ada");
    await dialog.getByRole("option", { name: "Ada" }).click();
    await person.inRoom("Ada");
    await shoot(person, `${look}-direct-empty`);
    await person.say("Are you there?");
    await person.allSent();
    await shoot(person, `${look}-direct`);
    await person.page.context().close();
  });
});
