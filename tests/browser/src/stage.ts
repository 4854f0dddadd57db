/** One system and one browser for the tests of a file; every page is watched for what must never happen. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before } from "node:test";
import { chromium, type Browser, type BrowserContextOptions, type ConsoleMessage, type Page } from "playwright-core";
import { Klatch } from "./klatch.js";
import { Person } from "./person.js";

const ARGUMENTS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The distribution's own; nothing is downloaded. */
const CHROMIUMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

function chromiumPath(): string {
  const path = process.env["CHROMIUM"] ?? CHROMIUMS.find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`no Chromium at ${CHROMIUMS.join(", ")}: apt install chromium, or set CHROMIUM`);
  return path;
}

export class Stage {
  readonly klatch: Klatch;
  readonly #browser: Browser;
  /** Errors of pages: uncaught ones, and violations of the content security policy. */
  readonly complaints: string[] = [];

  private constructor(klatch: Klatch, browser: Browser) {
    this.klatch = klatch;
    this.#browser = browser;
  }

  /** Sets the stage before a file's tests, and clears it after them. The variables are the server's. */
  static forFile(variables: Readonly<Record<string, string>> = {}): { readonly stage: Stage } {
    const holder: { stage: Stage } = { stage: null as unknown as Stage };
    before(async () => {
      const browser = await chromium.launch({ executablePath: chromiumPath(), args: ARGUMENTS });
      const klatch = await Klatch.start(variables).catch(async (error: unknown) => {
        await browser.close();
        throw error;
      });
      holder.stage = new Stage(klatch, browser);
    });
    after(async () => {
      await holder.stage?.clear();
    });
    return holder;
  }

  async clear(): Promise<void> {
    await this.#browser.close();
    await this.klatch.stop();
    assert.deepEqual(this.complaints, [], "pages that complain");
  }

  /** One of the demo people in a browser of their own, signed in. */
  async enter(username: string, options: BrowserContextOptions = {}): Promise<Person> {
    const person = await this.arrive(username, options);
    await person.signIn(username);
    return person;
  }

  /** Somebody in a browser of their own, at the door. */
  async arrive(username: string, options: BrowserContextOptions = {}): Promise<Person> {
    return new Person(await this.open(username, this.klatch.url, options));
  }

  /** A page in a browser of its own, whose complaints are noted under this name. */
  async open(name: string, url: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on("pageerror", (error) => this.complaints.push(`${name}: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() !== "error" || isToldByTheBrowser(message)) return;
      this.complaints.push(`${name}: ${message.text()}`);
    });
    await page.goto(url);
    return page;
  }
}

/** A lost connection, a wrong password: browsers say so by themselves, and the page is not to blame. */
function isToldByTheBrowser(message: ConsoleMessage): boolean {
  const isRefusal = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
  const isOfAccounts = URL.canParse(message.location().url) && new URL(message.location().url).pathname.startsWith("/auth/");
  return message.text().startsWith("WebSocket connection to") || (isRefusal && isOfAccounts);
}
