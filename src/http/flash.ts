import type { JsonObject, JsonValue } from "../core/record.ts";
import { checkKey, nameKey, writeJson } from "./json_value.ts";

/** Does to a record's flash what was done to this one. May be called again. */
export type FlashChange = (flash: JsonObject) => JsonObject;

/**
 * What one request leaves for a later one to read once. Whoever reads a value
 * removes that value and no other: one that somebody has left under the same
 * key in the meantime stays for its own reader.
 */
export class Flash {
  #base: JsonObject;
  /** By key, the JSON of what was read. */
  #read = new Map<string, string>();
  /** By key, the JSON of what was left. */
  #left = new Map<string, string>();

  constructor(base: JsonObject = {}) {
    this.#base = base;
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
    const value = this.#base[key];
    this.#read.set(key, JSON.stringify(value));
    return value;
  }

  leave(key: string, value: unknown): void {
    checkKey(key);
    this.#left.set(key, writeJson(value, `the flash ${nameKey(key)}`));
  }

  takeChange(): FlashChange | undefined {
    if (this.#read.size === 0 && this.#left.size === 0) return undefined;
    const read = new Map(this.#read);
    const left = new Map(this.#left);
    return (flash) => {
      const rest = Object.entries(flash)
        .filter(([key, value]) => read.get(key) !== JSON.stringify(value));
      const merged = new Map<string, JsonValue>(rest);
      for (const [key, text] of left) merged.set(key, JSON.parse(text));
      return Object.fromEntries(merged);
    };
  }

  rebase(base: JsonObject = {}): void {
    this.#base = base;
    this.#read.clear();
    this.#left.clear();
  }
}
