import { encodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";

const REPORT_ABOVE = 50_000;

/** A store's directory and one for the bare calls, with the same sessions. */
export class FilledDirectories {
  readonly #ours: string;
  readonly #bare: string;
  readonly #record: SessionRecord;
  readonly #bareBytes: Uint8Array;
  readonly #isThere: boolean[] = [];
  /** How long a session took to write, both files of it, in milliseconds. */
  #perSession: number | undefined;

  /**
   * @param ours The store's, set up and empty.
   * @param bare The bare calls', empty.
   * @param record What each session holds.
   */
  constructor(ours: string, bare: string, record: SessionRecord) {
    this.#ours = ours;
    this.#bare = bare;
    this.#record = record;
    this.#bareBytes = new TextEncoder().encode(JSON.stringify(record));
  }

  /** Writes what is missing of so many sessions, with bare calls. */
  fill(count: number): void {
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
      write(`${this.#ours}/${id}`, encodeRecord(id, this.#record));
      write(`${this.#bare}/${id}.json`, this.#bareBytes);
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
