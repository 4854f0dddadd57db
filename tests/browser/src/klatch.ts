/** The real system for one test file: `klatch up --dev` with its own nats-server, on a free port and a fresh folder. */

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "./deadline.js";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BINARY = process.env["KLATCH_BIN"] ?? join(ROOT, "target/release/klatch");

/** How long a start, or a start after a crash, may take. */
const READY_MS = 60_000;

export interface DemoPerson {
  userId: string;
  username: string;
  token: string;
}

export class Klatch {
  readonly port: number;
  readonly data: string;
  #process: ChildProcess | null = null;
  #log = "";
  /** Why it does not run, if it should and does not. */
  #failure: string | null = null;

  readonly #variables: Readonly<Record<string, string>>;

  private constructor(port: number, data: string, variables: Readonly<Record<string, string>>) {
    this.port = port;
    this.data = data;
    this.#variables = variables;
  }

  /** Starts it with these variables beside the machine's own. */
  static async start(variables: Readonly<Record<string, string>> = {}): Promise<Klatch> {
    const klatch = new Klatch(await freePort(), await mkdtemp(join(tmpdir(), "klatch-browser-")), variables);
    try {
      await klatch.up();
      return klatch;
    } catch (error) {
      await klatch.stop();
      throw error;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Starts it, on the data and the port that it had before. */
  async up(): Promise<void> {
    const listen = `127.0.0.1:${this.port}`;
    const env = { ...environment(), ...this.#variables };
    const child = spawn(BINARY, ["up", "--dev", "--data", this.data, "--listen", listen], { cwd: ROOT, env });
    this.#process = child;
    this.#failure = null;
    child.on("error", (error) => (this.#failure = `${BINARY} can't be started: ${error.message}`));
    child.on("exit", (code) => (this.#failure = `klatch ended with ${code}:\n${this.#log}`));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#log = (this.#log + text).slice(-20_000)));
    }
    await until("klatch is ready", () => this.#isReady(), READY_MS);
  }

  /** Stops it as Ctrl-C does, and waits for its end. */
  async down(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || this.#failure !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    await exit;
  }

  async stop(): Promise<void> {
    await this.down();
    await rm(this.data, { recursive: true, force: true });
  }

  /** Kills the broker with no chance to say goodbye; what supervises it brings another up. */
  async killBroker(): Promise<void> {
    const before = await this.#brokerPid();
    process.kill(before, "SIGKILL");
    await until("another broker runs", async () => {
      const pid = await this.#brokerPid().catch(() => before);
      return pid === before ? null : pid;
    });
    await until("klatch is ready again", () => this.#isReady(), READY_MS);
  }

  async demoPeople(): Promise<DemoPerson[]> {
    const response = await fetch(new URL("/demo", this.url));
    return ((await response.json()) as { people: DemoPerson[] }).people;
  }

  /** A token of somebody who has no account, with whatever name. */
  async token(userId: string, username: string): Promise<string> {
    const { stdout } = await run(BINARY, ["token", "mint", "--dev", "--user", userId, "--name", username], { env: environment() });
    return stdout.trim();
  }

  async #isReady(): Promise<true | null> {
    if (this.#failure !== null) throw new Error(this.#failure);
    const response = await fetch(new URL("/readyz", this.url)).catch(() => null);
    return response?.ok ? true : null;
  }

  async #brokerPid(): Promise<number> {
    return Number.parseInt(await readFile(join(this.data, "broker", "nats-server.pid"), "utf8"), 10);
  }
}

/** The tests' own variables are none of klatch's settings, and it refuses what it does not know. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("KLATCH_")));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
