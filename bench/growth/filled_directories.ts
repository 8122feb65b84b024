import { ACCESS_AT, encodeLastAccess } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { makeDataSet } from "../data_set.ts";
import { nameOf, scattered } from "../ids.ts";
import { say } from "../harness/benchmark.ts";

const REPORT_ABOVE = 50_000;

const { record } = makeDataSet(500);

/** A store's directory and one for the bare calls, with the same sessions. */
export class FilledDirectories {
  readonly #ours: string;
  readonly #bare: string;
  readonly #store: SessionStore;
  readonly #isThere: boolean[] = [];
  /** How long a session took to write, both files of it, in milliseconds. */
  #perSession: number | undefined;

  /**
   * @param ours The store's, set up and empty.
   * @param bare The bare calls', empty.
   */
  constructor(ours: string, bare: string, store: SessionStore) {
    this.#ours = ours;
    this.#bare = bare;
    this.#store = store;
  }

  /** Returns a session's record: each has a user of its own, as on a site. */
  recordOf(id: string): SessionRecord {
    return { ...record, user: `${id.slice(0, 12)}@example.org` };
  }

  /** Creates what is missing of so many sessions. */
  async fill(count: number): Promise<void> {
    const missing: number[] = [];
    for (let n = 0; n < count; n++) if (!this.#isThere[n]) missing.push(n);
    if (missing.length === 0) return;
    if (missing.length > REPORT_ABOVE && this.#perSession !== undefined) {
      const seconds = Math.round(missing.length * this.#perSession / 1_000);
      say(`writing ${missing.length} files twice, about ${seconds} s`);
    }
    const start = performance.now();
    for (const n of missing) {
      const id = nameOf(n);
      const record = this.recordOf(id);
      await this.#store.create(id, record);
      const path = `${this.#bare}/${id}.json`;
      const options = { createNew: true, mode: 0o600 };
      Deno.writeTextFileSync(path, JSON.stringify(record), options);
      this.#isThere[n] = true;
    }
    this.#perSession = (performance.now() - start) / missing.length;
  }

  /** Sets the last access of every second session: a cleanup deletes them. */
  ageHalf(lastAccess: number): void {
    const at = new Date(lastAccess);
    for (let n = 0; n < this.#isThere.length; n += 2) {
      const id = nameOf(n);
      using file = Deno.openSync(`${this.#ours}/${id}`, { write: true });
      file.seekSync(ACCESS_AT, Deno.SeekMode.Start);
      file.writeSync(encodeLastAccess(lastAccess));
      Deno.utimeSync(`${this.#bare}/${id}.json`, at, at);
      this.#isThere[n] = false;
    }
  }

  /** Makes a walk over all of the IDs at random, the same in every run. */
  walk(steps: number): () => string {
    const count = this.#isThere.length;
    const ids = Array.from(
      { length: steps },
      (_, step) => nameOf(scattered(step + 1) % count),
    );
    let step = 0;
    return () => ids[step++ % steps]!;
  }
}
