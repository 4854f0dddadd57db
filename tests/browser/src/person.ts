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

  /** Registers, with the code that every account of a server on trial gets, and is in. */
  async signUp(username: string, password: string): Promise<void> {
    await this.register(username, password);
    await this.bringCode("123456");
    await this.page.getByText("Online").waitFor();
  }

  async register(username: string, password: string): Promise<void> {
    await this.page.getByText("Create an account").click();
    await this.field("Name").fill(username);
    await this.field("Password").fill(password);
    await this.page.getByRole("button", { name: "Create account" }).click();
  }

  async bringCode(code: string): Promise<void> {
    await this.field("Code").fill(code);
    await this.page.getByRole("button", { name: "Continue" }).click();
  }

  async logIn(name: string, password: string): Promise<void> {
    await this.field("Name or e-mail").fill(name);
    await this.field("Password").fill(password);
    await this.page.getByRole("button", { name: "Sign in" }).click();
  }

  async useToken(token: string): Promise<void> {
    await this.page.getByText("Use a token").click();
    await this.field("Token").fill(token);
    await this.page.getByRole("button", { name: "Enter" }).click();
  }

  async signOut(): Promise<void> {
    await this.page.getByRole("button", { name: "Sign out" }).click();
    await this.page.getByRole("heading", { name: "Come in, sit down." }).waitFor();
  }

  /** What the page keeps for this tab. */
  async keptSession(): Promise<{ refreshToken: string }> {
    const kept = await this.page.evaluate(() => sessionStorage.getItem("klatch.session"));
    return JSON.parse(kept ?? "{}") as { refreshToken: string };
  }

  /** By its label: a field for a password has no role. */
  field(label: string): Locator {
    return this.page.getByLabel(label, { exact: true });
  }

  /** What stands below a field, about what was written there. */
  async mistake(label: string): Promise<string> {
    const field = this.field(label).and(this.page.locator("[aria-invalid=true]"));
    await field.waitFor();
    return this.page.locator(`[id="${await field.getAttribute("aria-describedby")}"]`).innerText();
  }

  async newMessage(): Promise<Locator> {
    await this.page.getByRole("button", { name: "New message" }).first().click();
    return this.page.getByRole("dialog", { name: "New message" });
  }

  /** Finds somebody by name and opens the conversation with them. */
  async writeTo(username: string): Promise<void> {
    const dialog = await this.newMessage();
    await dialog.getByRole("combobox").fill(username);
    await dialog.getByRole("option", { name: username }).click();
    await this.inRoom(username);
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
