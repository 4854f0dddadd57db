/**
 * A duplicated tab has the session of the one that it was made from, and what renews a session is good once. So before
 * one of them renews it, it asks the others whether they have; and only one does so at a time.
 */

/** What every tab of a session holds; that which ends last is the newest. */
export interface Ending {
  id: string;
  endsAt: number;
}

type Word<Held> = { asks: Held } | { tells: Held };

/** Tabs answer at once, those asleep not at all. */
const ANSWERS_MS = 300;

export class Siblings<Held extends Ending> {
  readonly #id: string;
  readonly #channel: BroadcastChannel;
  readonly #mine: () => Held;
  #newest: Held | null = null;

  constructor(mine: () => Held) {
    this.#mine = mine;
    this.#id = mine().id;
    this.#channel = new BroadcastChannel("klatch.session");
    this.#channel.onmessage = ({ data }: MessageEvent<Word<Held>>) => this.#hear(data);
  }

  /** The newest that any tab holds, this one among them. */
  async newest(): Promise<Held> {
    this.#newest = this.#mine();
    this.#say({ asks: this.#newest });
    await new Promise((resolve) => setTimeout(resolve, ANSWERS_MS));
    return this.#newest;
  }

  /** Does something while no other tab does it. Browsers have locks for https and for this machine only. */
  async alone<R>(work: () => Promise<R>): Promise<R> {
    const { locks } = navigator as Partial<Navigator>;
    return locks === undefined ? work() : await locks.request(`klatch.session ${this.#id}`, work);
  }

  close(): void {
    this.#channel.close();
  }

  #hear(word: Word<Held>): void {
    const theirs = "asks" in word ? word.asks : word.tells;
    if (theirs.id !== this.#id) return;
    if ("asks" in word && this.#mine().endsAt > theirs.endsAt) this.#say({ tells: this.#mine() });
    if ("tells" in word && this.#newest !== null && theirs.endsAt > this.#newest.endsAt) this.#newest = theirs;
  }

  #say(word: Word<Held>): void {
    this.#channel.postMessage(word);
  }
}
