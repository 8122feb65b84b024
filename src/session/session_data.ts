/*
 * How the changes of two requests to one session both survive: no request writes
 * back what it read. The data remembers, key by key, what was done to it, and
 * the commit does the same again to the record as it is at that moment.
 *
 *   set, delete       → the key's new value, or its removal
 *   update            → the functions; they run again on the record's value
 *   a nested change   → found by comparing JSON texts, counts as a set
 *   clear             → removes all keys of the record; later changes count
 *
 * The expiry of a key goes wherever its value goes. A key that has expired has
 * no value, here and in the record.
 */
import type { JsonValue, SessionRecord } from "../core/record.ts";
import { checkKey, nameKey } from "./json_value.ts";
import { keyExpiryOf, type SetOptions } from "./lifetime.ts";
import type { ValueFormat } from "./value_format.ts";

/** Gives a key its new value for the one it has. */
type Update = (value: unknown) => unknown;

/** What the data of a session holds, as a record has it. */
type DataContent = Pick<SessionRecord, "data" | "keyExpiry">;

/** Does to a record's data what was done to the session's. May be called again. */
type DataChange = (content: DataContent) => DataContent;

/** One key that was looked into or changed. */
interface KeyState {
  /** Its value as the request sees it; `undefined` for none. */
  readonly value: unknown;
  /** The JSON of an object that was handed out, when it was. */
  readonly text: string | undefined;
  /** What was done: nothing so far, a set (or delete), or these updates. */
  readonly change: "none" | "set" | Update[];
  /** In ms since the epoch; `undefined` for never. */
  readonly expiresAt: number | undefined;
}

type KeyChange =
  | { readonly value: unknown; readonly expiresAt: number | undefined }
  | readonly Update[];

const NOTHING: DataContent = { data: {} };
const DELETED: KeyState = {
  value: undefined,
  text: undefined,
  change: "set",
  expiresAt: undefined,
};

/**
 * What the application keeps in a session, and how it changed since it was
 * loaded. Reading a key that holds no object costs a look-up and nothing else.
 */
export class SessionData {
  readonly #format: ValueFormat;
  readonly #now: () => number;
  /** What the store had. */
  #stored: DataContent;
  /** The texts of the objects of it that were handed out, as it had them. */
  #handedOut: Map<string, string> | undefined;
  /** What the changes start from: the same, or nothing. */
  #base: DataContent;
  /** The keys that were looked into or changed; missing when none was. */
  #states: Map<string, KeyState> | undefined;
  #isCleared = false;
  /** The texts of the objects when the last change was taken. */
  #texts: Map<string, string> | undefined;

  constructor(
    base: DataContent | undefined,
    format: ValueFormat,
    now: () => number,
  ) {
    this.#stored = this.#base = base ?? NOTHING;
    this.#format = format;
    this.#now = now;
  }

  /** What the store had, without any change inside it, and no more of the record. */
  get stored(): DataContent {
    const { data, keyExpiry } = this.#stored;
    const content: Record<string, unknown> = { ...data };
    for (const [key, text] of this.#handedOut ?? []) {
      put(content, key, this.#format.parse(text));
    }
    return {
      data: content as Record<string, JsonValue>,
      ...(keyExpiry !== undefined && { keyExpiry }),
    };
  }

  /** Whether no key has a value. */
  get isEmpty(): boolean {
    return this.keys().length === 0;
  }

  /** The names of the keys that have a value. */
  keys(): string[] {
    const { data, keyExpiry } = this.#base;
    const keys = this.#isCleared ? [] : Object.keys(data);
    const states = this.#states;
    if (states === undefined && keyExpiry === undefined) return keys;
    return [...new Set([...keys, ...states?.keys() ?? []])]
      .filter((key) => this.has(key));
  }

  has(key: string): boolean {
    return this.#peek(key) !== undefined;
  }

  /** Hands a value out; from then on a change inside it is noticed. */
  get(key: string): unknown {
    const value = this.#peek(key);
    if (typeof value !== "object" || value === null) return value;
    const state: KeyState = this.#states?.get(key) ??
      {
        value,
        text: undefined,
        change: "none",
        expiresAt: this.#expiryOf(key),
      };
    if (state.change !== "set" && state.text === undefined) {
      const text = this.#format.write(value);
      if (state.change === "none") {
        this.#handedOut ??= new Map();
        this.#handedOut.set(key, text);
      }
      this.#setState(key, { ...state, text });
    }
    return value;
  }

  set(key: string, value: unknown, options: SetOptions = {}): void {
    const expiresAt = keyExpiryOf(options, this.#now());
    this.#put(key, { value, text: undefined, change: "set", expiresAt });
  }

  delete(key: string): boolean {
    if (!this.has(key)) return false;
    this.#setState(key, DELETED);
    return true;
  }

  /** Runs on a copy: it will run again, and must not find its own changes. */
  update(key: string, change: Update): unknown {
    const before = this.#peek(key);
    const value = change(this.#copy(before, key));
    const state = this.#states?.get(key);
    const isSet = state !== undefined &&
      (state.change === "set" || this.#wasChangedInside(state));
    const updates = typeof state?.change === "object" ? state.change : [];
    this.#put(key, {
      value,
      text: undefined,
      change: isSet ? "set" : updates,
      expiresAt: before === undefined ? undefined : this.#expiryOf(key),
    });
    // To the same list: a copy each time would take quadratic time.
    updates.push(change);
    return this.get(key);
  }

  clear(): void {
    this.#states = undefined;
    this.#isCleared = true;
  }

  /**
   * Collects what was done so far.
   *
   * @returns What does the same to a record's data; `undefined` for nothing.
   * @throws {TypeError} If a value was given something that JSON cannot hold.
   */
  takeChange(): DataChange | undefined {
    const states = this.#states;
    if (states === undefined && !this.#isCleared) return undefined;
    this.#texts = undefined;
    const changes: [key: string, change: KeyChange][] = [];
    for (const [key, state] of states ?? []) {
      const change = this.#takeState(key, state);
      if (change !== undefined) changes.push([key, change]);
    }
    const isCleared = this.#isCleared;
    if (changes.length === 0 && !isCleared) return undefined;
    const format = this.#format;
    return (content) =>
      applyChanges(isCleared ? NOTHING : content, changes, format);
  }

  /** Goes on with nothing, until `discard`. */
  end(): void {
    this.#restart(NOTHING);
  }

  /** Goes on with what the store had. */
  discard(): void {
    this.#stored = this.stored;
    this.#handedOut = undefined;
    this.#restart(this.#stored);
  }

  #restart(base: DataContent): void {
    this.#base = base;
    this.#states = undefined;
    this.#isCleared = false;
  }

  /**
   * Starts anew from what was kept. An object that was handed out stays the
   * one that is handed out, unless another request changed the same key.
   */
  rebase(base: DataContent = NOTHING): void {
    const { data, keyExpiry } = base;
    const before = this.#states;
    this.#restart(base);
    this.#stored = base;
    this.#handedOut = undefined;
    for (const [key, text] of this.#texts ?? []) {
      const value = before?.get(key)?.value;
      const isKept = Object.hasOwn(data, key) &&
        this.#format.write(data[key]) === text;
      const expiresAt = expiryIn(keyExpiry, key);
      if (isKept) {
        this.#setState(key, { value, text, change: "none", expiresAt });
      }
    }
  }

  #setState(key: string, state: KeyState): void {
    this.#states ??= new Map();
    this.#states.set(key, state);
  }

  #peek(key: string): unknown {
    const state = this.#states?.get(key);
    if (state !== undefined) {
      return this.#isExpired(state.expiresAt) ? undefined : state.value;
    }
    const { data, keyExpiry } = this.#base;
    // `hasOwn`, so that "constructor" is a key like any other.
    const isHeld = !this.#isCleared && Object.hasOwn(data, key) &&
      (keyExpiry === undefined ||
        !this.#isExpired(expiryIn(keyExpiry, key)));
    return isHeld ? data[key] : undefined;
  }

  #put(key: string, state: KeyState): void {
    checkKey(key);
    this.#format.check(state.value, nameKey(key));
    this.#setState(key, state);
  }

  #expiryOf(key: string): number | undefined {
    const state = this.#states?.get(key);
    if (state !== undefined) return state.expiresAt;
    return this.#isCleared ? undefined : expiryIn(this.#base.keyExpiry, key);
  }

  #isExpired(expiresAt: number | undefined): boolean {
    return expiresAt !== undefined && this.#now() >= expiresAt;
  }

  #write(value: unknown, key: string): string {
    this.#format.check(value, nameKey(key));
    return this.#format.write(value);
  }

  #copy(value: unknown, key: string): unknown {
    return typeof value === "object" && value !== null
      ? this.#format.parse(this.#write(value, key))
      : value;
  }

  #wasChangedInside({ value, text }: KeyState): boolean {
    return text !== undefined && !this.#hasText(value, text);
  }

  /** Tells whether an object still has the text that it was handed out with. */
  #hasText(value: unknown, text: string): boolean {
    try {
      return this.#format.write(value) === text;
    } catch {
      // What it was given cannot be written, which `check` says better.
      return false;
    }
  }

  #takeState(key: string, state: KeyState): KeyChange | undefined {
    const { text: before, change, expiresAt } = state;
    const value = this.#isExpired(expiresAt) ? undefined : state.value;
    const isObject = typeof value === "object" && value !== null;
    if (isObject && (change === "set" || before !== undefined)) {
      // Most were only read, and to compare costs a third of a check.
      const isRead = before !== undefined && this.#hasText(value, before);
      const text = isRead ? before : this.#write(value, key);
      this.#texts ??= new Map();
      this.#texts.set(key, text);
      // Parsed here, so that nothing is shared with the store.
      if (!isRead) return { value: this.#format.parse(text), expiresAt };
    } else if (change === "set") {
      return { value, expiresAt };
    }
    return typeof change === "string" ? undefined : [...change];
  }
}

function expiryIn(
  keyExpiry: DataContent["keyExpiry"],
  key: string,
): number | undefined {
  return keyExpiry && own(keyExpiry, key);
}

function applyChanges(
  { data, keyExpiry }: DataContent,
  changes: readonly (readonly [key: string, change: KeyChange])[],
  format: ValueFormat,
): DataContent {
  const merged: Record<string, unknown> = { ...data };
  const expiry: Record<string, number> = { ...keyExpiry };
  for (const [key, change] of changes) {
    const { value, expiresAt } = "value" in change ? change : {
      value: runUpdates(own(merged, key), change, (after) => {
        format.check(after, nameKey(key));
      }),
      expiresAt: own(expiry, key),
    };
    put(merged, key, value);
    put(expiry, key, value === undefined ? undefined : expiresAt);
  }
  return {
    data: merged as Record<string, JsonValue>,
    ...(Object.keys(expiry).length > 0 && { keyExpiry: expiry }),
  };
}

function own<T>(object: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** An assignment would take "__proto__" for the prototype. */
function put(
  object: Record<string, unknown>,
  key: string,
  value: unknown,
): void {
  if (value === undefined) {
    delete object[key];
    return;
  }
  Object.defineProperty(object, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

function runUpdates(
  before: unknown,
  updates: readonly Update[],
  check: (after: unknown) => void,
): unknown {
  return updates.reduce((value, update) => {
    const after = update(value);
    check(after);
    return after;
  }, before);
}
