// The real system for one test file: `klatch up` with its broker, and a second edge beside it, on ports and a folder
// of their own. Each can be killed (-9) and started again on the same folder and ports.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Program } from "./program.mjs";
import { OPERATOR_CONFIG } from "./token.mjs";

export { token } from "./token.mjs";
export const INTERNAL_API_KEY = "a-test-key-of-the-operators-own-servers";
/** Shorter than the default, so that what a killed edge leaves behind is gone sooner. */
const LEASE_MS = "2000";

/**
 * Starts the system on two edges; `stop` ends it and removes its folder.
 *
 * `variables` are given to both edges. With `trusted: false` it runs as an operator runs it: without `--dev`, so that
 * no client names itself, and with the operator's key for tokens (`operatorToken`).
 */
export async function start({ variables = {}, trusted = true } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "klatch-seed-"));
  const config = join(folder, "klatch.toml");
  if (!trusted) await writeFile(config, OPERATOR_CONFIG);
  const system = new System(folder, await freePorts(2), {
    how: trusted ? ["--dev"] : ["--config", config],
    variables: { INTERNAL_API_KEY, KLATCH_EDGE__LEASE_MS: LEASE_MS, ...variables },
  });
  try {
    await system.startAll();
  } catch (error) {
    await system.stop();
    throw error;
  }
  return system;
}

class System {
  /** Each edge's addresses: `{ http, ws }`. The first is `klatch up`'s own, the second stands alone. */
  edges;
  #folder;
  #how;
  #variables;
  #programs = [];

  constructor(folder, ports, { how, variables }) {
    this.#folder = folder;
    this.#how = how;
    this.#variables = variables;
    this.edges = ports.map((port) => ({ port, http: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}` }));
    ({ http: this.http, ws: this.ws } = this.edges[0]);
  }

  /** Everything that one edge's process has printed since its start. */
  said(edge) {
    return this.#programs[edge].said;
  }

  /** How to connect to the broker as one of its users: `klatch up` writes address and passwords into its folder. */
  async broker(user) {
    const read = (name) => readFile(join(this.#folder, "data", "broker", name), "utf8");
    return { servers: (await read("url")).trim(), user, pass: JSON.parse(await read("passwords.json"))[user] };
  }

  /** What lets another edge find that broker, and its own password there. */
  get beside() {
    return { KLATCH_DATA: join(this.#folder, "data") };
  }

  async startAll() {
    await this.startEdge(0);
    await this.startEdge(1);
  }

  /** Starts an edge on the port that it had before; the first one brings broker and projector along. */
  async startEdge(edge) {
    const { http, port } = this.edges[edge];
    const args = [edge === 0 ? "up" : "edge", ...this.#how, "--listen", `127.0.0.1:${port}`];
    this.#programs[edge] = new Program(args, { ...this.#variables, ...this.beside });
    await this.#programs[edge].ready(http);
  }

  /** Kills the second edge (-9), which everybody on it notices; the rest goes on. */
  async killEdge() {
    await this.#programs[1].kill();
  }

  /** Kills everything at once (-9): both edges, the projector, and the broker with them. */
  async killAll() {
    const broker = Number(await readFile(join(this.#folder, "data", "broker", "nats-server.pid"), "utf8"));
    await Promise.all(this.#programs.map((program) => program.kill()));
    killed(broker);
  }

  /** Ends it. Nothing that a service tried may have been refused by the broker. */
  async stop() {
    await this.#programs[1]?.stop();
    await this.#programs[0]?.stop();
    const log = await readFile(join(this.#folder, "data", "broker", "nats-server.log"), "utf8").catch(() => "");
    await rm(this.#folder, { recursive: true, force: true });
    const refused = log.split("\n").filter((line) => line.includes("Violation"));
    if (refused.length > 0) throw new Error(`the broker refused what a service tried:\n${refused.join("\n")}`);
  }
}

function killed(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // Often it dies with the process that started it.
    if (error.code !== "ESRCH") throw error;
  }
}

/** Ports that nobody listens on; all of them different. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
