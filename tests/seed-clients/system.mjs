// The real system for one test file: `klatch up --dev` on a port and a folder of its own, and its tokens.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
// The variable is for tests alone: the binary refuses KLATCH_* that are no settings of its own.
const { KLATCH_BIN: binary = join(root, "target", "release", "klatch"), ...environment } = process.env;
const READY_MS_MAX = 60_000;

export const INTERNAL_API_KEY = "a-test-key-of-the-operators-own-servers";

/** Starts the system; `stop` ends it and its broker, and removes its folder. */
export async function start() {
  const folder = await mkdtemp(join(tmpdir(), "klatch-seed-"));
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const said = [];
  const child = spawn(binary, ["up", "--dev", "--data", folder, "--listen", address], {
    cwd: root,
    env: { ...environment, INTERNAL_API_KEY },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => said.push(chunk));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready(`http://${address}/readyz`, ended);
  } catch (error) {
    await stop();
    throw new Error(`${error.message}; it said:\n${Buffer.concat(said)}`);
  }
  return { http: `http://${address}`, ws: `ws://${address}`, stop };
}

/** A token of somebody, as the command line mints it. */
export async function token(user, name) {
  const { stdout } = await run(binary, ["token", "mint", "--dev", "--user", user, "--name", name], { env: environment });
  return stdout.trim();
}

async function ready(address, ended) {
  const deadline = Date.now() + READY_MS_MAX;
  let isOver = false;
  ended.then(() => (isOver = true));
  while (Date.now() < deadline && !isOver) {
    const answer = await fetch(address).catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(isOver ? `${binary} ended at once` : `${binary} was not ready in ${READY_MS_MAX} ms`);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
