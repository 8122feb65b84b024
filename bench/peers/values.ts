import type { Value } from "./contestant.ts";

/** Where the counters begin: seven digits, to stay so many. */
const FIRST_COUNT = 1_000_000;

/**
 * A change cuts fewer than so many characters off the note, because sessions
 * do not stay as long as they were. A store that writes in place shows what that
 * costs: PHP empties a file first that is to become shorter, and is then four
 * times slower on ext4.
 */
const CUTS = 8;

/** What every process of the race works on: the same for all. */
export interface Workload {
  /** The IDs. */
  readonly ids: readonly string[];
  /** A random walk over the IDs, the same in every run. */
  readonly steps: readonly number[];
  /** One value per size; its owner is still to be filled in. */
  readonly values: readonly Value[];
}

/**
 * Makes a value of a size.
 *
 * @param like Of which it has the members, and at most the items in the cart.
 * @param size Of its JSON, in bytes.
 */
export function makeValue(
  like: { readonly data: object; readonly createdAt: number },
  size: number,
): Value {
  const { cart, ...rest } = like.data as { readonly cart: readonly object[] };
  const value = (items: number, note: string) =>
    ({
      ...like,
      data: {
        first: FIRST_COUNT,
        owner: "0".repeat(32),
        ...rest,
        cart: cart.slice(0, items),
        note,
        last: FIRST_COUNT,
      },
    }) as unknown as Value;
  const sizeOf = (each: Value) => JSON.stringify(each).length;
  let items = cart.length;
  const least = "x".repeat(CUTS);
  while (items > 0 && sizeOf(value(items, least)) > size) items--;
  return value(items, "x".repeat(size - sizeOf(value(items, ""))));
}

/** Makes the value that an owner keeps after so many changes, see `CUTS`. */
export function valueOf(like: Value, owner: string, changes: number): Value {
  const count = FIRST_COUNT + changes;
  const note = noteOf(like, changes);
  const data = { ...like.data, first: count, owner, note, last: count };
  return { ...like, user: `c-${owner.slice(0, 6)}@example.org`, data };
}

function noteOf({ data }: Value, changes: number): string {
  return data.note.slice(changes * 5 % CUTS);
}

/** Returns how often a value that was read has been changed. */
export function changesOf(value: Value): number {
  return value.data.first - FIRST_COUNT;
}

/** Returns whether what was read is all of one value, and its owner's. */
export function isWhole(
  found: unknown,
  like: Value,
  owner: string,
): found is Value {
  const data = (found as Partial<Value> | null | undefined)?.data;
  return data !== undefined && data !== null && data.owner === owner &&
    data.first >= FIRST_COUNT && data.first === data.last &&
    data.note === noteOf(like, data.first - FIRST_COUNT);
}
