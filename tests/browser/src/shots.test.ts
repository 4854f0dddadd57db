/** Pictures for people to look at: phone and desktop, by day and by night. They assert nothing but that they come about. */

import { mkdir } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Stage } from "./stage.js";

const file = Stage.forFile();
const FOLDER = fileURLToPath(new URL("../shots/", import.meta.url));

const SIZES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};

test("phone and desktop, by day and by night", async () => {
  await mkdir(FOLDER, { recursive: true });
  const ben = await file.stage.enter("Ben");
  await ben.join("kitchen");
  for (const text of ["Is there coffee left?", "I will make some, give me a minute.", "Notes are at https://example.org/notes — have a look."]) {
    await ben.say(text);
  }
  await ben.allSent();
  for (const [name, size] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"] as const) {
      const ada = await file.stage.enter("Ada", { ...size, colorScheme });
      const shoot = (what: string): Promise<unknown> =>
        ada.page.screenshot({ path: `${FOLDER}${name}-${colorScheme}-${what}.png`, animations: "disabled" });
      await shoot("rooms");
      await ada.join("kitchen");
      await ada.sees("have a look");
      await ada.say(`Thank you! This is ${name}, ${colorScheme}.`);
      await ada.allSent();
      await ben.composer.pressSequentially("…");
      await ada.page.getByText("Ben is typing").waitFor();
      await shoot("room");
      await ben.composer.fill("");
      await ada.message(`${name}, ${colorScheme}`).focus();
      await ada.page.keyboard.press("e");
      await shoot("edit");
      await ada.page.keyboard.press("Escape");
      await ada.page.getByRole("button", { name: "People in this room" }).click();
      await shoot("people");
      await ada.page.keyboard.press("Escape");
      await ada.page.getByRole("button", { name: "Sign out" }).or(ada.page.getByRole("link", { name: "All rooms" })).first().click();
      await shoot("after");
      await ada.page.context().close();
    }
  }
});
