import type { JsonObject, JsonValue } from "../core/record.ts";
import { checkKey, nameKey } from "./json_value.ts";
import type { ValueFormat } from "./value_format.ts";

/** Does to a record's flash what was done to this one. May be called again. */
type FlashChange = (flash: JsonObject) => JsonObject;

/**
 * What one request leaves for a later one to read once. To read a value removes
 * that value and no other: another one that a parallel request leaves under the
 * same key stays for its own reader.
 */
export class Flash {
  readonly #base: JsonObject;
  readonly #format: ValueFormat;
  /** By key, the text of what was read. */
  readonly #read = new Map<string, string>();
  /** By key, the text of what was left. */
  readonly #left = new Map<string, string>();

  constructor(base: JsonObject | undefined, format: ValueFormat) {
    this.#base = base ?? {};
    this.#format = format;
  }

  /** Whether there is nothing to be kept. */
  get isEmpty(): boolean {
    return this.#left.size === 0 &&
      Object.keys(this.#base).every((key) => this.#read.has(key));
  }

  read(key: string): JsonValue | undefined {
    if (!Object.hasOwn(this.#base, key) || this.#read.has(key)) {
      return undefined;
    }
    const text = this.#format.write(this.#base[key]);
    this.#read.set(key, text);
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
    return (flash) => {
      const rest = Object.entries(flash)
        .filter(([key, value]) => read.get(key) !== format.write(value));
      const merged = new Map<string, JsonValue>(rest);
      for (const [key, text] of left) {
        merged.set(key, format.parse(text) as JsonValue);
      }
      return Object.fromEntries(merged);
    };
  }
}
