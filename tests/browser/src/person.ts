/** What a person does with the page and sees on it, found as a person finds it: by name and role where there is one. */

import type { Locator, Page } from "playwright-core";
import { until } from "./deadline.js";

export class Person {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async signIn(username: string): Promise<void> {
    await this.page.getByRole("button", { name: username }).click();
    await this.page.getByText("Online").waitFor();
  }

  /** Joins a room by its name, or makes it. */
  async join(room: string): Promise<void> {
    const dialog = await this.newConversation();
    await dialog.getByLabel("Name").fill(room);
    await dialog.getByRole("button", { name: "Join" }).click();
    await this.inRoom(room);
  }

  async newConversation(): Promise<Locator> {
    await this.page.getByRole("button", { name: "New conversation" }).first().click();
    return this.page.getByRole("dialog", { name: "New conversation" });
  }

  /** Opens a room of the list. */
  async open(room: string): Promise<void> {
    await this.roomRow(room).click();
    await this.inRoom(room);
  }

  async inRoom(room: string): Promise<void> {
    await this.page.getByRole("heading", { level: 1, name: room }).waitFor();
    await this.page.locator(".head p", { hasText: "here" }).waitFor();
  }

  roomRow(room: string): Locator {
    return this.page.getByRole("navigation", { name: "Rooms" }).getByRole("link", { name: room });
  }

  get composer(): Locator {
    return this.page.getByRole("textbox", { name: /^Message to/ });
  }

  async say(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** A message that is stored, by its text. */
  message(text: string): Locator {
    return this.page.locator(".message[data-message]", { has: this.page.locator(".message-text", { hasText: text }) });
  }

  async sees(text: string): Promise<void> {
    await this.message(text).first().waitFor();
  }

  /** The texts of all messages that are shown as stored, in order. */
  async texts(): Promise<string[]> {
    return this.page.locator(".message[data-message] .message-text").evaluateAll((all) =>
      // The note "edited" stands beside the text, not in it.
      all.map((element) => element.firstChild?.textContent ?? ""),
    );
  }

  /** Waits until nothing of one's own is on its way any more. */
  async allSent(): Promise<void> {
    await until("everything is sent", async () => ((await this.page.locator("[data-pending]").count()) === 0 ? true : null), 60_000);
  }

  /** Those who are here now, as the panel of people says. */
  here(username: string): Locator {
    return this.page.getByRole("region", { name: /^Here now/ }).getByRole("listitem").filter({ hasText: username });
  }
}
