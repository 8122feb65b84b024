import { discard } from "../system/remove_if_there.ts";
import { system } from "../system/system.ts";

/** With more, who reads waits for the disk, and all for the directory. */
const MOST_AT_ONCE = 2;

/**
 * Removes files in other threads, a few at once. On a disk that has to be told
 * of each free block (ext4 with `discard`) the end of a file takes 200 µs, and
 * a cleaner deletes thousands: that is nothing to hold up an event loop with.
 */
export class Removals {
  readonly #running: Set<Promise<void>> = new Set();
  #noted: string[] = [];
  #errors: unknown[] = [];

  /**
   * Notes a file that is to be removed, not before it is closed.
   *
   * @param path Its name, which nobody else uses.
   */
  note(path: string): void {
    this.#noted.push(path);
  }

  /**
   * Begins to remove what was noted; resolves when there is room for more.
   *
   * @throws What removing one of them, or an earlier one, threw.
   */
  async run(): Promise<void> {
    for (const path of this.#noted.splice(0)) {
      const removal = this.#remove(path).then(() => {
        this.#running.delete(removal);
      });
      this.#running.add(removal);
    }
    if (this.#running.size >= MOST_AT_ONCE) await Promise.race(this.#running);
    this.#throwAny();
  }

  /**
   * Removes what is left; resolves when all are gone.
   *
   * @throws What removing one of them threw.
   */
  async end(): Promise<void> {
    await this.run();
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
