import { discard } from "./remove_if_there.ts";
import { system } from "./system.ts";

const MOST_AT_ONCE = 8;

/**
 * Removes files in other threads, a few at once. On a disk that has to be told
 * of each free block (ext4 with `discard`) the end of a file takes 100 µs, and
 * a cleaner deletes thousands: that is nothing to hold up an event loop with.
 */
export class Removals {
  readonly #running: Set<Promise<void>> = new Set();
  #errors: unknown[] = [];

  /**
   * Removes a file whose name nobody else uses.
   *
   * @param path The file.
   * @throws What removing this or an earlier one threw.
   */
  async add(path: string): Promise<void> {
    const removal = this.#remove(path).then(() => {
      this.#running.delete(removal);
    });
    this.#running.add(removal);
    if (this.#running.size >= MOST_AT_ONCE) {
      await Promise.race(this.#running);
      this.#throwAny();
    }
  }

  /**
   * Resolves when all are removed.
   *
   * @throws What removing one of them threw.
   */
  async end(): Promise<void> {
    await Promise.all(this.#running);
    this.#throwAny();
  }

  async #remove(path: string): Promise<void> {
    try {
      await system.removeLater(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      discard(path);
      this.#errors.push(error);
    }
  }

  #throwAny(): void {
    const errors = this.#errors;
    this.#errors = [];
    if (errors.length > 0) throw errors[0];
  }
}
