import type { EngineRow } from "./session_engine.ts";

const MOST_ROWS = 1_000;
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** The rows that were read last, each for the one update that follows. */
export class RecentReads<R extends EngineRow> {
  readonly #rows: Map<string, R> = new Map();
  #characters = 0;

  /** Keeps a row, and forgets the oldest where there are too many. */
  add(id: string, row: R): void {
    this.take(id);
    this.#rows.set(id, row);
    this.#characters += row.json.length;
    while (
      this.#rows.size > MOST_ROWS || this.#characters > MOST_CHARACTERS
    ) {
      const [oldest] = this.#rows.keys();
      this.take(oldest!);
    }
  }

  /** Gives the row of a session, if it is there still, and forgets it. */
  take(id: string): R | undefined {
    const row = this.#rows.get(id);
    if (row === undefined) return undefined;
    this.#rows.delete(id);
    this.#characters -= row.json.length;
    return row;
  }
}
