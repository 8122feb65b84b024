import { encodeRecord } from "../src/core/codec.ts";
import type { SessionRecord } from "../src/core/record.ts";

const COUNT = 1_000;
const SEED = 0x5e551035;
const STEPS = 1 << 14;
const ID_LENGTH = 32;
const CREATED_AT = Date.UTC(2026, 0, 1);

/** How large a session's file is, in bytes: the title of a group, and the number. */
export const SIZES: readonly (readonly [title: string, size: number])[] = [
  ["500 B", 500],
  ["4 KiB", 4_096],
];

/** A thousand sessions, the same ones in every run. */
export interface DataSet {
  /** Their IDs. */
  readonly ids: readonly string[];
  /** What each of them holds. */
  readonly record: SessionRecord;
  /** Makes a walk over the IDs, random and the same in every run. */
  walk(): () => string;
}

/**
 * Makes sessions of a given size.
 *
 * @param size What a `DirectorySessionStore` makes of one, in bytes.
 * @param idleTimeout In milliseconds.
 */
export function makeDataSet(
  size: number,
  idleTimeout?: number,
): DataSet {
  const random = randomFrom(SEED);
  const ids = Array.from({ length: COUNT }, () => {
    let id = "";
    while (id.length < ID_LENGTH) {
      id += random(0x1_0000).toString(16).padStart(4, "0");
    }
    return id;
  });
  const steps = Array.from({ length: STEPS }, () => ids[random(COUNT)]!);
  return {
    ids,
    record: makeRecord(size, idleTimeout),
    walk: () => {
      let step = 0;
      return () => steps[step++ % STEPS]!;
    },
  };
}

/**
 * Makes a directory that is removed when the benchmarks of the file end.
 *
 * @returns Its path.
 */
export function temporaryDirectory(): string {
  const directory = Deno.makeTempDirSync({ prefix: "latchkey-bench-" });
  addEventListener("unload", () => {
    Deno.removeSync(directory, { recursive: true });
  });
  return directory;
}

/** What a small shop keeps for a customer; the more, the larger. */
function makeRecord(
  size: number,
  idleTimeout: number | undefined,
): SessionRecord {
  const record = (items: number, note: string): SessionRecord => ({
    data: {
      visits: 1_234,
      theme: "dark",
      cart: Array.from({ length: items }, (_, n) => ({
        article: `article-${1_000 + n}`,
        quantity: 1 + n % 3,
        price: 19.95,
      })),
      note,
    },
    createdAt: CREATED_AT,
    ...(idleTimeout !== undefined && { idleTimeout }),
    secretHash:
      "984ca5162200734c592148f1820b71057f098573d138666b48663e4e30cd8d3a",
    user: "customer@example.org",
  });
  const sizeOf = (each: SessionRecord) =>
    encodeRecord("0".repeat(ID_LENGTH), each).length;
  let items = 0;
  while (sizeOf(record(items + 1, "")) <= size) items++;
  return record(items, "x".repeat(size - sizeOf(record(items, ""))));
}

/** A small generator (mulberry32), because `Math.random` takes no seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
