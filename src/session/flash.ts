import type { JsonObject, JsonValue, SessionRecord } from "../core/record.ts";
import { checkKey, nameKey } from "./json_value.ts";
import type { ValueFormat } from "./value_format.ts";

/** What a record says of the flash of a session. */
type FlashContent = Pick<SessionRecord, "flash" | "flashLeft">;

/** Does to a record's flash what was done to this one. May be called again. */
type FlashChange = (
  record: FlashContent & Pick<SessionRecord, "commits">,
) => FlashContent;

/** A value as it was read: its text, and which commit left it. */
interface Reading {
  readonly text: string;
  readonly leftBy: number | undefined;
}

/**
 * What one request leaves for a later one to read once. To read a value removes
 * that value and no other: another one that a parallel request leaves under the
 * same key stays for its own reader, also if it is the same text. So the record
 * tells which of its commits left each value.
 */
export class Flash {
  readonly #base: JsonObject;
  readonly #baseLeft: FlashContent["flashLeft"];
  readonly #format: ValueFormat;
  /** By key, what was read. */
  readonly #read = new Map<string, Reading>();
  /** By key, the text of what was left. */
  readonly #left = new Map<string, string>();

  constructor({ flash, flashLeft }: FlashContent, format: ValueFormat) {
    this.#base = flash ?? {};
    this.#baseLeft = flashLeft;
    this.#format = format;
  }

  /** Whether there is nothing to be kept. */
  get isEmpty(): boolean {
    return this.#left.size === 0 &&
      Object.keys(this.#base).every((key) => this.#read.has(key));
  }

  /** Whether there is something to read. */
  has(key: string): boolean {
    return Object.hasOwn(this.#base, key) && !this.#read.has(key);
  }

  read(key: string): JsonValue | undefined {
    if (!this.has(key)) return undefined;
    const text = this.#format.write(this.#base[key]);
    this.#read.set(key, { text, leftBy: commitOf(this.#baseLeft, key) });
    // A copy: a change inside it must not come back with `discard`.
    return this.#format.parse(text) as JsonValue;
  }

  leave(key: string, value: unknown): void {
    checkKey(key);
    this.#format.check(value, `the flash ${nameKey(key)}`);
    this.#left.set(key, this.#format.write(value));
  }

  takeChange(): FlashChange | undefined {
    if (this.#read.size === 0 && this.#left.size === 0) return undefined;
    const read = new Map(this.#read);
    const left = new Map(this.#left);
    const format = this.#format;
    return ({ flash = {}, flashLeft, commits }) => {
      const isRead = (key: string, value: JsonValue): boolean => {
        const reading = read.get(key);
        const leftBy = commitOf(flashLeft, key);
        return reading?.text === format.write(value) &&
          (leftBy === undefined || leftBy === reading.leftBy);
      };
      const merged = new Map<string, JsonValue>();
      const mergedLeft = new Map<string, number>();
      for (const [key, value] of Object.entries(flash)) {
        if (isRead(key, value)) continue;
        merged.set(key, value);
        const leftBy = commitOf(flashLeft, key);
        if (leftBy !== undefined) mergedLeft.set(key, leftBy);
      }
      for (const [key, text] of left) {
        merged.set(key, format.parse(text) as JsonValue);
        if (commits !== undefined) mergedLeft.set(key, commits);
      }
      return {
        ...(merged.size > 0 && { flash: Object.fromEntries(merged) }),
        ...(mergedLeft.size > 0 &&
          { flashLeft: Object.fromEntries(mergedLeft) }),
      };
    };
  }
}

function commitOf(
  flashLeft: FlashContent["flashLeft"],
  key: string,
): number | undefined {
  return flashLeft && Object.hasOwn(flashLeft, key)
    ? flashLeft[key]
    : undefined;
}
