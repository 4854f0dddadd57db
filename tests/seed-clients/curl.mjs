// curl, as the documents call it.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs `curl` with these arguments: `{ status, headers, body, json }`; `json` is undefined where the body is none. */
export async function curl(...args) {
  const { stdout } = await run("curl", ["--silent", "--show-error", "--include", ...args], { maxBuffer: 64 << 20 });
  const end = stdout.indexOf("\r\n\r\n");
  const [first, ...lines] = stdout.slice(0, end).split("\r\n");
  const headers = new Headers(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const body = stdout.slice(end + 4);
  return { status: Number(first.split(" ")[1]), headers, body, json: parsed(body) };
}

/** `curl -X POST` of JSON. */
export function postJson(address, body, ...args) {
  return curl("-X", "POST", "-H", "Content-Type: application/json", "-d", JSON.stringify(body), ...args, address);
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
