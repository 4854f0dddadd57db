// One process of `klatch`: started with arguments and variables, killed, and what it said.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { until } from "./deadline.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** A start takes a second, ten under load; what is not ready then will not be. */
const READY_MS_MAX = 60_000;

/** The binary: `KLATCH_BIN`, else the release build. */
export const binary = process.env.KLATCH_BIN ?? join(root, "target", "release", "klatch");

const SETTINGS = /^(KLATCH_|MONGODB_|REDIS_|RABBITMQ_|PORT$|CORS_ORIGIN$|INTERNAL_API_KEY$|MAX_|MESSAGE_HISTORY_TTL$)/;
/** The variables of this machine, without those that would set up Klatch behind the tests' back. */
export const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SETTINGS.test(name)));

/** Those that run. They end with the tests, however those end. */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

export class Program {
  #child;
  #said = [];

  constructor(args, variables = {}) {
    // From the root, below which nats-server is found.
    this.#child = spawn(binary, args, {
      cwd: root,
      env: { ...environment, ...variables },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.on("data", (chunk) => this.#said.push(chunk));
    running.add(this.#child);
    this.ended = new Promise((resolve) => this.#child.once("exit", resolve).once("error", resolve)).then(() => {
      running.delete(this.#child);
      this.isOver = true;
    });
  }

  isOver = false;

  /** Everything that it has printed. */
  get said() {
    return Buffer.concat(this.#said).toString();
  }

  /** Waits until it answers that it is ready. */
  async ready(http) {
    const isReady = async () => {
      if (this.isOver) throw new Error(`${binary} ended; it said:\n${this.said}`);
      return (await fetch(`${http}/readyz`).catch(() => undefined))?.status === 200;
    };
    await until(() => `${binary} is ready; it said:\n${this.said}`, isReady, READY_MS_MAX);
  }

  /** Kills it (-9), and waits until it is dead. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  /** Stops it as an operator does, and waits for its end. */
  async stop() {
    if (!this.isOver) this.#child.kill("SIGTERM");
    await this.ended;
  }
}
