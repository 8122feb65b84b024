import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";

const encoder = new TextEncoder();

const REPORT_ABOVE = 50_000;

/** A store's directory and one for the bare calls, with the same sessions. */
export class FilledDirectories {
  readonly #ours: string;
  readonly #bare: string;
  readonly #store: SessionStore;
  readonly #record: SessionRecord;
  readonly #isThere: boolean[] = [];
  /** How long a session took to write, both files of it, in milliseconds. */
  #perSession: number | undefined;

  /**
   * @param ours The store's, set up and empty.
   * @param bare The bare calls', empty.
   * @param store The store on `ours`.
   * @param record What each session holds, but for its user.
   */
  constructor(
    ours: string,
    bare: string,
    store: SessionStore,
    record: SessionRecord,
  ) {
    this.#ours = ours;
    this.#bare = bare;
    this.#store = store;
    this.#record = record;
  }

  /** What a session holds: each has a user of its own, as those of a site do. */
  recordOf(id: string): SessionRecord {
    return { ...this.#record, user: `${id.slice(0, 12)}@example.org` };
  }

  /** Creates what is missing of so many sessions. */
  async fill(count: number): Promise<void> {
    const missing: number[] = [];
    for (let n = 0; n < count; n++) if (!this.#isThere[n]) missing.push(n);
    if (missing.length > REPORT_ABOVE && this.#perSession !== undefined) {
      const seconds = Math.round(missing.length * this.#perSession / 1_000);
      console.error(
        `writing ${missing.length} files twice, about ${seconds} s`,
      );
    }
    const start = performance.now();
    for (const n of missing) {
      const id = idOf(n);
      const record = this.recordOf(id);
      await this.#store.create(id, record);
      const bytes = encoder.encode(JSON.stringify(record));
      write(`${this.#bare}/${id}.json`, bytes);
      this.#isThere[n] = true;
    }
    if (missing.length > 0) {
      this.#perSession = (performance.now() - start) / missing.length;
    }
  }

  /** Sets the last access of every second session; who cleans deletes them. */
  ageHalf(lastAccess: number): void {
    const at = new Date(lastAccess);
    for (let n = 0; n < this.#isThere.length; n += 2) {
      const id = idOf(n);
      Deno.utimeSync(`${this.#ours}/${id}`, at, at);
      Deno.utimeSync(`${this.#bare}/${id}.json`, at, at);
      this.#isThere[n] = false;
    }
  }

  /** Makes a walk over all of the IDs at random, the same in every run. */
  walk(steps: number): () => string {
    const count = this.#isThere.length;
    const ids = Array.from(
      { length: steps },
      (_, step) => idOf(mix(step + 1) % count),
    );
    let step = 0;
    return () => ids[step++ % steps]!;
  }
}

/** No two numbers share one, and none is near that of its neighbour. */
function idOf(n: number): string {
  let id = "";
  for (let part = 0; part < 4; part++) {
    id += mix(4 * n + part).toString(16).padStart(8, "0");
  }
  return id;
}

/** Scatters 32 bits, without sending two numbers to one (MurmurHash3's end). */
function mix(bits: number): number {
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function write(path: string, bytes: Uint8Array): void {
  const file = Deno.openSync(path, {
    write: true,
    createNew: true,
    mode: 0o600,
  });
  file.writeSync(bytes);
  file.close();
}
