/*
 * How two requests that change one session both get their way: nobody writes
 * back what it read. A bag remembers, key by key, what was done to it, and the
 * commit does the same again to the record as it is by then.
 *
 *   set, delete       → the key's new value, or none
 *   update            → the functions; they run again on the value of then
 *   a nested change   → found by comparing JSON texts, counts as a set
 *   clear             → no key of then survives; what came after it, does
 */
import type { JsonObject, JsonValue } from "../core/record.ts";
import { checkJson, checkKey, nameKey, writeJson } from "./json_value.ts";

/** Gives a key its new value for the one it has. */
export type Update = (value: unknown) => unknown;

/** Does to a record's data what was done to the bag. May be called again. */
export type DataChange = (data: JsonObject) => JsonObject;

/** One key that was looked into or changed. */
interface Slot {
  /** Its value as the request sees it; `undefined` for none. */
  readonly value: unknown;
  /** The JSON of an object that was handed out, when it was. */
  readonly text: string | undefined;
  /** What was done: nothing so far, a set (or delete), or these updates. */
  readonly change: "none" | "set" | readonly Update[];
}

type KeyChange = { readonly value: unknown } | readonly Update[];

/**
 * What the application keeps in a session, and how it changed since it was
 * loaded. Reading a key that holds no object costs a look-up and nothing else.
 */
export class Bag {
  #base: JsonObject;
  #slots = new Map<string, Slot>();
  #isCleared = false;
  /** The texts of the objects as the last change was taken. */
  #texts = new Map<string, string>();

  constructor(base: JsonObject = {}) {
    this.#base = base;
  }

  /** Whether no key holds a value. */
  get isEmpty(): boolean {
    return this.keys().length === 0;
  }

  /** The names of the keys that hold a value. */
  keys(): string[] {
    const keys = this.#isCleared ? [] : Object.keys(this.#base);
    if (this.#slots.size === 0) return keys;
    return [...new Set([...keys, ...this.#slots.keys()])]
      .filter((key) => this.has(key));
  }

  has(key: string): boolean {
    return this.#peek(key) !== undefined;
  }

  /** Hands a value out; from then on a change inside it is noticed. */
  get(key: string): unknown {
    const value = this.#peek(key);
    if (typeof value !== "object" || value === null) return value;
    const slot = this.#slots.get(key) ??
      { value, text: undefined, change: "none" };
    if (slot.change !== "set" && slot.text === undefined) {
      this.#slots.set(key, { ...slot, text: JSON.stringify(value) });
    }
    return value;
  }

  set(key: string, value: unknown): void {
    checkKey(key);
    checkJson(value, nameKey(key));
    this.#slots.set(key, { value, text: undefined, change: "set" });
  }

  delete(key: string): boolean {
    if (!this.has(key)) return false;
    this.#slots.set(key, { value: undefined, text: undefined, change: "set" });
    return true;
  }

  /** Runs on a copy: it will run again, and must not find its own traces. */
  update(key: string, change: Update): unknown {
    const before = this.#peek(key);
    const value = change(copy(before, key));
    const slot = this.#slots.get(key);
    const isSet = slot !== undefined &&
      (slot.change === "set" || wasChangedInside(slot));
    this.set(key, value);
    if (!isSet) {
      const earlier = slot === undefined || slot.change === "none"
        ? []
        : slot.change as readonly Update[];
      const updates = [...earlier, change];
      this.#slots.set(key, { value, text: undefined, change: updates });
    }
    return this.get(key);
  }

  clear(): void {
    this.#slots.clear();
    this.#isCleared = true;
  }

  /**
   * Takes down what was done so far.
   *
   * @returns What does the same to a record's data; `undefined` for nothing.
   * @throws {TypeError} If a value was given something that JSON cannot hold.
   */
  takeChange(): DataChange | undefined {
    if (this.#slots.size === 0 && !this.#isCleared) return undefined;
    this.#texts = new Map();
    const changes: [key: string, change: KeyChange][] = [];
    for (const [key, slot] of this.#slots) {
      const change = this.#takeSlot(key, slot);
      if (change !== undefined) changes.push([key, change]);
    }
    const isCleared = this.#isCleared;
    if (changes.length === 0 && !isCleared) return undefined;
    return (data) => applyChanges(isCleared ? {} : data, changes);
  }

  /**
   * Starts anew from what was kept. An object that was handed out stays the
   * one that is handed out, unless somebody else changed the same key.
   */
  rebase(base: JsonObject = {}): void {
    const slots = new Map<string, Slot>();
    for (const [key, text] of this.#texts) {
      const value = this.#slots.get(key)?.value;
      const isKept = Object.hasOwn(base, key) &&
        JSON.stringify(base[key]) === text;
      if (isKept) slots.set(key, { value, text, change: "none" });
    }
    this.#base = base;
    this.#slots = slots;
    this.#isCleared = false;
  }

  #peek(key: string): unknown {
    const slot = this.#slots.get(key);
    if (slot !== undefined) return slot.value;
    // `hasOwn`, so that "constructor" is a key like any other.
    const isHeld = !this.#isCleared && Object.hasOwn(this.#base, key);
    return isHeld ? this.#base[key] : undefined;
  }

  #takeSlot(key: string, slot: Slot): KeyChange | undefined {
    const { value, text: before, change } = slot;
    const isObject = typeof value === "object" && value !== null;
    if (isObject && (change === "set" || before !== undefined)) {
      const text = writeJson(value, nameKey(key));
      this.#texts.set(key, text);
      // Parsed here, so that nothing is shared with the store.
      if (text !== before) return { value: JSON.parse(text) };
    } else if (change === "set") {
      return { value };
    }
    return typeof change === "string" ? undefined : change;
  }
}

function wasChangedInside({ value, text }: Slot): boolean {
  return text !== undefined && JSON.stringify(value) !== text;
}

function copy(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? JSON.parse(writeJson(value, nameKey(key)))
    : value;
}

function applyChanges(
  data: JsonObject,
  changes: readonly (readonly [key: string, change: KeyChange])[],
): JsonObject {
  // Entries and back: an assignment would take "__proto__" for the prototype.
  const merged = new Map<string, unknown>(Object.entries(data));
  for (const [key, change] of changes) {
    const value = "value" in change
      ? change.value
      : runUpdates(key, merged.get(key), change);
    if (value === undefined) merged.delete(key);
    else merged.set(key, value);
  }
  return Object.fromEntries(merged) as Record<string, JsonValue>;
}

function runUpdates(
  key: string,
  before: unknown,
  updates: readonly Update[],
): unknown {
  return updates.reduce((value, update) => {
    const after = update(value);
    checkJson(after, nameKey(key));
    return after;
  }, before);
}
