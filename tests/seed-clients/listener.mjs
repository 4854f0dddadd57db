// What one client has heard, in order, and waiting for what it should hear. The clients of each transport keep one.

import assert from "node:assert/strict";

import { until } from "./deadline.mjs";

export class Listener {
  /** `{ event, data }` of everything, in the order of its arrival; `data` is the first argument. */
  heard = [];

  constructor(name) {
    this.name = name;
  }

  note(event, data) {
    this.heard.push({ event, data });
  }

  /** The data of every such event so far. */
  all(event, fits = () => true) {
    return this.heard.filter((one) => one.event === event && fits(one.data)).map((one) => one.data);
  }

  /** The data of the first such event, heard already or to come. */
  async hears(event, fits) {
    return (await this.hearsMany(event, 1, fits))[0];
  }

  /** The data of the first `count` such events, heard already or to come. */
  async hearsMany(event, count, fits) {
    const what = () => `${this.name} hears ${count} × ${event}; heard ${shortened(JSON.stringify(this.heard))}`;
    await until(what, () => this.all(event, fits).length >= count);
    return this.all(event, fits).slice(0, count);
  }

  /** Forgets what was heard, so that the next question is about what comes from now on. */
  forget() {
    this.heard.length = 0;
  }
}

/** What was heard has at least these fields, with these values. */
export function holds(data, fields) {
  for (const [name, value] of Object.entries(fields)) {
    assert.deepEqual(data?.[name], value, `${name} of ${JSON.stringify(data)}`);
  }
}

function shortened(text) {
  const CHARACTERS_MAX = 4_000;
  return text.length <= CHARACTERS_MAX ? text : `…${text.slice(-CHARACTERS_MAX)}`;
}
