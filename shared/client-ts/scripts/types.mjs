/**
 * Writes `src/types.ts` from the JSON Schemas of the frames, which the server's own types generate. With `--check` it
 * writes nothing and fails where the file is not what it would write.
 */

import { readFile, writeFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { compile } from "json-schema-to-typescript";

const SCHEMAS = new URL("../../../schemas/", import.meta.url);
const FRAMES = ["client-frames.json", "server-frames.json"];
const TYPES = new URL("../src/types.ts", import.meta.url);
const BANNER = "// Generated from the JSON Schemas in `schemas/` by `npm run types`. Do not edit.";

/** All definitions of both, the roots among them, as one schema. What both define must agree. */
function together(roots) {
  const all = {};
  for (const { $schema, definitions, title, ...root } of roots) {
    for (const [name, definition] of Object.entries({ ...definitions, [title]: root })) {
      all[name] ??= definition;
      if (!isDeepStrictEqual(all[name], definition)) throw new Error(`two schemas define ${name}, and differ`);
    }
  }
  const sorted = Object.entries(all).sort(([one], [other]) => (one < other ? -1 : 1));
  return { definitions: Object.fromEntries(sorted.map(([name, definition]) => [name, neverNull(definition)])) };
}

/** A field that need not be there is left out, never null: so the server writes, and so it reads. */
function neverNull(schema) {
  if (Array.isArray(schema)) return schema.map(neverNull);
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, neverNull(value)]));
  for (const [name, property] of Object.entries(copy.properties ?? {})) {
    if (!copy.required?.includes(name)) copy.properties[name] = withoutNull(property);
  }
  return copy;
}

function withoutNull({ anyOf, type, ...rest }) {
  if (Array.isArray(anyOf)) return { ...rest, allOf: anyOf.filter((option) => option.type !== "null") };
  if (Array.isArray(type)) return { ...rest, type: type.filter((name) => name !== "null") };
  return type === undefined ? rest : { ...rest, type };
}

/** Which definition the acknowledgement of each request holds: the schema says so beside the request. */
function acks({ oneOf }) {
  const lines = oneOf.map((frame) => `  ${JSON.stringify(frame.properties.event.const)}: ${frame["x-ack"]};\n`);
  return `/**\n * What the acknowledgement of each request holds.\n */\nexport interface Acks {\n${lines.join("")}}\n`;
}

async function generate() {
  const roots = await Promise.all(FRAMES.map(async (name) => JSON.parse(await readFile(new URL(name, SCHEMAS), "utf8"))));
  const types = await compile(together(roots), "Definitions", {
    bannerComment: BANNER,
    unreachableDefinitions: true,
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    style: { printWidth: 120 },
  });
  const unnamed = types
    .replace(/export interface Definitions \{[^}]*\}\n/, "")
    .replace(/\/\*\*\n(?: \*[^\n]*\n)*? \* via the `definition` "[^"]*"\.\n \*\/\n/g, "");
  return unnamed + acks(roots[0]);
}

const types = await generate();
if (process.argv.includes("--check")) {
  if ((await readFile(TYPES, "utf8")) !== types) {
    console.error("src/types.ts is not what the schemas say: run `npm run types` and commit it.");
    process.exit(1);
  }
} else {
  await writeFile(TYPES, types);
}
