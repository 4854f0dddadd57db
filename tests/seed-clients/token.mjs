// Tokens of people: as the command line mints them for `--dev`, and as an operator's own server signs them.

import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { promisify } from "node:util";

import { binary, environment } from "./program.mjs";

const run = promisify(execFile);

/** What an operator's own server and Klatch know of each other. */
export const OPERATOR = {
  issuer: "https://accounts.example.com",
  audience: "klatch",
  secret: "a-secret-between-the-operators-own-server-and-klatch",
};

/** A token of somebody, which a server started with `--dev` takes. */
export async function token(user, name = user) {
  const args = ["token", "mint", "--dev", "--user", user, "--name", name];
  const { stdout } = await run(binary, args, { env: environment });
  return stdout.trim();
}

/** A token of somebody, signed by the operator's own server. */
export function operatorToken(user, name = user, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const { issuer: iss, audience: aud, secret } = OPERATOR;
  const payload = { sub: user, name, iss, aud, iat: now, exp: now + 3600, ...claims };
  const signed = [{ alg: "HS256", typ: "JWT" }, payload].map((part) => encoded(JSON.stringify(part))).join(".");
  return `${signed}.${encoded(createHmac("sha256", secret).update(signed).digest())}`;
}

/** The configuration that makes Klatch take an operator's tokens. */
export const OPERATOR_CONFIG = `[edge.auth]
issuer = ${JSON.stringify(OPERATOR.issuer)}
audience = ${JSON.stringify(OPERATOR.audience)}
keys = [{ algorithm = "HS256", secret = ${JSON.stringify(OPERATOR.secret)} }]
`;

function encoded(bytes) {
  return Buffer.from(bytes).toString("base64url");
}
