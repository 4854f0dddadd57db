/** The last few values that were seen; the oldest goes when a new one needs its place. */
export class Recent<T> {
  readonly #values = new Set<T>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Remembers `value`; false where it was known already. */
  add(value: T): boolean {
    if (this.#values.has(value)) return false;
    this.#values.add(value);
    if (this.#values.size > this.#max) {
      // A Set keeps the order of insertion: its first value is its oldest.
      for (const oldest of this.#values) {
        this.#values.delete(oldest);
        break;
      }
    }
    return true;
  }

  get size(): number {
    return this.#values.size;
  }
}
