import type { SessionLifetime, SetOptions } from "./lifetime.ts";
import { type SessionOptions, SessionState } from "./session_state.ts";

/** The state behind a session, for the manager; not in `mod.ts`. */
export let stateOf: <Data extends object>(
  session: Session<Data>,
) => SessionState;

/**
 * A value, unless it is a promise: a session keeps what that resolves to.
 *
 * @typeParam Value The value.
 */
export type NoPromise<Value> = Value extends PromiseLike<unknown> ? never
  : Value;

/**
 * A function, unless it may return a promise: `update` needs the value at once.
 *
 * @typeParam Change The function.
 */
export type NoAsyncFunction<Change extends (...args: never[]) => unknown> =
  Extract<ReturnType<Change>, PromiseLike<unknown>> extends never ? Change
    : never;

/**
 * What one visitor has on the server, in the memory of one request: data by
 * key, a user, flash messages and form tokens. It does no I/O and knows no
 * store; it remembers what was done, and {@linkcode SessionManager} does the
 * same to the stored record when the request has succeeded. The changes of two
 * requests to different keys both survive, and `update` even on the same key.
 *
 * A key is any string; a value is what JSON holds without loss, or the manager's
 * `types`, and anything else is refused with a `TypeError` that says where it is
 * (`-0` becomes `0`). A change inside an object that was set, or that `get`,
 * `update` or `entries` returned, counts as setting its key, if it changes the
 * object's JSON: a member that is `undefined` alone is no change.
 *
 * Once `run` has committed the session, every method that changes it throws a
 * `TypeError`, also one that reads a flash. A change inside a value is lost then,
 * without an error.
 *
 * @typeParam Data The keys and what they hold.
 *
 * @example What a session can do without a store
 * ```ts
 * import { Session } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const session = new Session<{ visits: number; cart: string[] }>();
 * session.set("cart", ["tea"]);
 * session.get("cart")?.push("milk");
 * session.update("visits", (visits = 0) => visits + 1);
 *
 * assertEquals([...session.entries()], [
 *   ["cart", ["tea", "milk"]],
 *   ["visits", 1],
 * ]);
 * ```
 */
export class Session<Data extends object = Record<string, unknown>> {
  readonly #state: SessionState;

  static {
    stateOf = (session) => session.#state;
    defineInspect(Session.prototype, (session) => session.#state.inspect());
  }

  /**
   * Makes a session by hand, for tests; others come from
   * {@linkcode SessionManager}.
   *
   * @param options What a store had, and the clock.
   */
  constructor(options: SessionOptions = {}) {
    this.#state = new SessionState(options);
  }

  /**
   * The session ID. It opens nothing, so it may be logged. A new session gets
   * an ID when this is first read.
   */
  get id(): string {
    return this.#state.read().id;
  }

  /** Whether it is not yet in the store. */
  get isNew(): boolean {
    return this.#state.read().isNew;
  }

  /** Whether it holds anything worth keeping: data, user, flash, form tokens. */
  get hasInfo(): boolean {
    return !this.#state.read().isEmpty;
  }

  /** When it began, in ms since the epoch. */
  get createdAt(): number {
    return this.#state.read().createdAt;
  }

  /** When the previous access was, in ms since the epoch; see `touchAfter`. */
  get lastAccess(): number {
    return this.#state.read().lastAccess;
  }

  /**
   * When it expires by what the store holds, in ms since the epoch, unless it is
   * accessed again: this request's own access counts, and its `setLifetime` only
   * once that is committed.
   *
   * @returns `null` for never, and for a session that is not stored.
   */
  get expiresAt(): number | null {
    return this.#state.read().expiresAt;
  }

  /** How long ago it began, in ms. */
  get creationAge(): number {
    return Math.max(0, this.#state.now() - this.createdAt);
  }

  /** How long ago it was last accessed before this request, in ms. */
  get accessAge(): number {
    return Math.max(0, this.#state.now() - this.lastAccess);
  }

  /**
   * Gets a key's value. A change inside an object or array is noticed.
   *
   * @param key The key.
   * @returns Its value, or `undefined` when it has none.
   */
  get<Key extends keyof Data & string>(key: Key): Data[Key] | undefined {
    return this.#state.read().data.get(key) as Data[Key] | undefined;
  }

  /**
   * Sets a key, whatever other requests set it to in the meantime.
   *
   * @param key The key.
   * @param value Its value.
   * @param options How long it lives; `update` does not change that.
   * @throws {TypeError} If the value cannot be kept, or `ttl` is not a number.
   * @throws {RangeError} If `ttl` is not a whole number from 1 up.
   */
  set<
    Key extends keyof Data & string,
    Value extends Exclude<Data[Key], undefined>,
  >(
    key: Key,
    value: string extends keyof Data ? NoPromise<Value>
      : Exclude<Data[Key], undefined>,
    options?: SetOptions,
  ): void {
    this.#state.write().data.set(key, value, options);
  }

  /**
   * Deletes a key; `false` when it had no value.
   *
   * @param key The key.
   */
  delete(key: keyof Data & string): boolean {
    return this.#state.write().data.delete(key);
  }

  /**
   * Tells whether a key has a value.
   *
   * @param key The key.
   */
  has(key: keyof Data & string): boolean {
    return this.#state.read().data.has(key);
  }

  /** Lists the keys that have a value. */
  keys(): IterableIterator<keyof Data & string> {
    return this.#state.read().data.keys().values() as IterableIterator<
      keyof Data & string
    >;
  }

  /** Lists the keys and their values. A change inside a value is noticed. */
  entries(): IterableIterator<
    { [K in keyof Data & string]: [K, Data[K]] }[keyof Data & string]
  > {
    const { data } = this.#state.read();
    return data.keys().map((key) => [key, data.get(key)])
      .values() as ReturnType<Session<Data>["entries"]>;
  }

  /**
   * Gives a key a new value that follows from its old one. At commit the
   * function runs again on the value that the key has then, so N requests at
   * once that each add 1 add N.
   *
   * @param key The key.
   * @param change Takes a copy of the value, or `undefined`, and returns the
   * new one. It is not asynchronous, and depends on nothing else.
   * @returns The new value, as this request sees it.
   * @throws {TypeError} If the new value cannot be kept.
   */
  update<
    Key extends keyof Data & string,
    Change extends (
      value: Data[Key] | undefined,
    ) => Exclude<Data[Key], undefined>,
  >(
    key: Key,
    change: string extends keyof Data ? NoAsyncFunction<Change> : Change,
  ): Exclude<Data[Key], undefined> {
    return this.#state.write().data.update(
      key,
      change as (value: unknown) => unknown,
    ) as Exclude<Data[Key], undefined>;
  }

  /**
   * Deletes all keys, also those that other requests set in the meantime. User,
   * flash and form tokens stay.
   */
  clear(): void {
    this.#state.write().data.clear();
  }

  /** The user who is signed in, or `null`. */
  get user(): string | null {
    return this.#state.read().user ?? null;
  }

  /** When that user signed in, by `setUser`, in ms since the epoch, or `null`. */
  get signedInAt(): number | null {
    return this.#state.read().signedInAt ?? null;
  }

  /**
   * Signs a user in whose password has just been checked or, with `null`, out.
   * It is not for repeating who is signed in already.
   *
   * - No user was signed in, or this one: ID, data and flash stay. The session
   *   gets a new secret, as by {@linkcode Session.regenerate}: an attacker who
   *   planted or saw the old cookie gains nothing by the login. Its absolute
   *   timeout begins anew.
   * - Another user was signed in: that session ends, as by
   *   {@linkcode Session.destroy}, and a new one begins. What `setLabel` and
   *   `setLifetime` say in this request holds for the new one.
   * - `null`, and a user was signed in: as `destroy`. Otherwise nothing happens.
   *
   * @param user A name that is not empty, or `null`.
   * @throws {TypeError} If it is neither.
   *
   * @example Sign in and out
   * ```ts
   * import { Session } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const session = new Session();
   * session.setUser("ann");
   * assertEquals(session.user, "ann");
   * session.setUser(null);
   * assertEquals(session.user, null);
   * ```
   */
  setUser(user: string | null): void {
    this.#state.write().setUser(user);
  }

  /** The name of this session in a list of the user's, or `null`. */
  get label(): string | null {
    return this.#state.read().label ?? null;
  }

  /**
   * Names the session for a list of the user's: "Firefox on Linux".
   *
   * @param label Of a longer text the first 256 characters are kept; `""` and
   * `null` remove it.
   * @throws {TypeError} If it is neither a string nor `null`.
   */
  setLabel(label: string | null): void {
    this.#state.write().setLabel(label);
  }

  /**
   * Leaves a value for a later request, or reads once what an earlier one
   * left. A value stays until it is read; a request that fails uses up nothing.
   *
   * @param key The key; flash has keys of its own, apart from the data's.
   * @returns What an earlier request left, or `undefined`.
   * @throws {TypeError} If the session was committed by `run`, or is `readOnly`:
   * the next request would read the same again.
   *
   * @example A message for the page after a redirect
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const saved = await sessions.run(new Request("http://localhost/"), (session) => {
   *   session.flash("notice", "Saved.");
   *   return new Response(null, { status: 303, headers: { location: "/" } });
   * });
   * const cookie = saved.headers.getSetCookie()[0]!.split(";")[0]!;
   * const request = new Request("http://localhost/", { headers: { cookie } });
   * const page = await sessions.run(request, (session) =>
   *   new Response(`${session.flash("notice")}`));
   * assertEquals(await page.text(), "Saved.");
   * ```
   */
  flash(key: string): unknown;
  /**
   * Leaves a value for a later request.
   *
   * @param key The key.
   * @param value Its value.
   * @throws {TypeError} If the value cannot be kept.
   */
  flash<Value>(key: string, value: NoPromise<Value>): void;
  flash(
    key: string,
    ...values: readonly [] | readonly [unknown]
  ): unknown {
    if (values.length === 0) return this.#state.use().flash.read(key);
    this.#state.write().flash.leave(key, values[0]);
    return undefined;
  }

  /**
   * Creates a token for a form, for {@linkcode Session.hasFormToken} or
   * `consumeFormToken` to recognise when the form is sent. At most 32 are
   * outstanding; a new one replaces the oldest.
   *
   * @returns 128 random bits, 22 base64url characters.
   */
  createFormToken(): string {
    return this.#state.write().formTokens.create();
  }

  /**
   * Tells whether a form token is outstanding. Two requests at once may both
   * get `true`; with `consumeFormToken` of the manager one of them does.
   *
   * @param token What the form sent.
   * @returns `true` when it is.
   */
  hasFormToken(token: string): boolean {
    return this.#state.read().formTokens.has(token);
  }

  /**
   * Removes a form token; `false` when it was not outstanding.
   *
   * @param token What the form sent.
   */
  removeFormToken(token: string): boolean {
    return this.#state.write().formTokens.remove(token);
  }

  /**
   * Gives the session a new secret at commit. ID, data and flash stay; form
   * tokens that were created before are no longer valid. The old cookie is
   * invalid at once, also for the commits of requests that came with it.
   *
   * @example After a step up, such as a second factor
   * ```ts
   * import { Session } from "@latchkey/session";
   * import { assertEquals } from "@std/assert";
   *
   * const session = new Session();
   * session.set("step", 2);
   * session.regenerate(); // the commit sends another secret; what it holds stays
   * assertEquals(session.get("step"), 2);
   * ```
   */
  regenerate(): void {
    this.#state.write().regenerate();
  }

  /**
   * Gives the session a lifetime of its own from now on, in place of the
   * manager's: "remember me" for a month, a terminal for ten minutes. The
   * record carries it, so it survives a restart and other settings. The browser
   * gets the cookie again.
   *
   * @param lifetime How long it lives; a timeout that is left out is no limit.
   * @throws {TypeError} If a duration is not a number, or `untilBrowserCloses`
   * is neither `true` nor `false`.
   * @throws {RangeError} If a duration is not a whole number from 1 up.
   *
   * @example "Remember me"
   * ```ts
   * import { MemorySessionStore, SessionManager } from "@latchkey/session";
   * import { assertStringIncludes } from "@std/assert";
   *
   * const sessions = new SessionManager({ store: new MemorySessionStore() });
   * const month = 30 * 24 * 60 * 60 * 1000;
   * const login = await sessions.run(new Request("http://localhost/"), (session) => {
   *   session.setUser("ann");
   *   session.setLifetime({ idleTimeout: month, absoluteTimeout: 12 * month });
   *   return new Response();
   * });
   * assertStringIncludes(login.headers.getSetCookie()[0]!, "Max-Age=2592000");
   * ```
   */
  setLifetime(lifetime: SessionLifetime): void {
    this.#state.write().setLifetime(lifetime);
  }

  /**
   * Ends the session. From here on this is a new, empty one with a new ID, and
   * what is written goes into that: `flash("bye")`, `set`, `setUser`. The commit
   * deletes the old one from the store, and its cookie from the browser or, when
   * the new one holds anything, replaces it.
   */
  destroy(): void {
    this.#state.write().destroy();
  }

  /**
   * Forgets what was done to the session since it was opened or last committed,
   * also `destroy` and `setUser`. What follows counts. Form tokens that were
   * consumed stay so.
   */
  discard(): void {
    this.#state.write().discard();
  }
}

/**
 * Decides what a console shows of a class's instances, in Deno and in Node.
 *
 * @param prototype The class's.
 * @param show Says what is shown.
 */
function defineInspect<T extends object>(
  prototype: T,
  show: (instance: T) => string,
): void {
  // Not as members: `isolatedDeclarations` takes no computed names.
  for (const name of ["Deno.customInspect", "nodejs.util.inspect.custom"]) {
    Object.defineProperty(prototype, Symbol.for(name), {
      value: function (this: T): string {
        return show(this);
      },
    });
  }
}
