import { SessionStoreTimeoutError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import type {
  CreateOptions,
  EntriesOptions,
  LoadOptions,
  RecordChange,
  SessionStore,
  UpdateOptions,
} from "../core/store.ts";

/** What a manager asks of a store. */
export type ManagedStore = Pick<
  SessionStore,
  "load" | "create" | "update" | "delete" | "has" | "entries" | "lock"
>;

/** How much longer than the timeout a call may take, as a part of it. */
const PRECISION = 1 / 16;
/** A timer of more than 2 ** 31 ms would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Bounds each call of a store, and each step of a listing, unless the store does
 * that by itself; the wait for a lock has a timeout of its own.
 *
 * @param store The store.
 * @param timeout How long a call may take, in milliseconds.
 */
export function boundStore(store: SessionStore, timeout: number): ManagedStore {
  if (store.isBounded || timeout === Infinity) return store;
  return new BoundedStore(store, timeout);
}

class BoundedStore implements ManagedStore {
  readonly lock?: NonNullable<SessionStore["lock"]>;
  readonly #store: SessionStore;
  readonly #timeout: number;
  /** The calls that began last. */
  #latest: Calls | undefined;

  constructor(store: SessionStore, timeout: number) {
    this.#store = store;
    this.#timeout = timeout;
    if (store.lock !== undefined) {
      this.lock = (id, options) => store.lock!(id, options);
    }
  }

  load(id: string, options?: LoadOptions): Promise<SessionRecord | undefined> {
    return this.#bound(
      "read",
      "none",
      (signal) => this.#store.load(id, { ...options, signal }),
    );
  }

  create(
    id: string,
    record: SessionRecord,
    options?: CreateOptions,
  ): Promise<boolean> {
    return this.#bound(
      "write",
      "unknown",
      (signal) => this.#store.create(id, record, { ...options, signal }),
    );
  }

  update(
    id: string,
    change: RecordChange,
    options?: UpdateOptions,
  ): Promise<SessionRecord | null | undefined> {
    return this.#bound(
      "write",
      "unknown",
      (signal) => this.#store.update(id, change, { ...options, signal }),
    );
  }

  delete(id: string): Promise<boolean> {
    return this.#bound(
      "write",
      "unknown",
      (signal) => this.#store.delete(id, { signal }),
    );
  }

  has(id: string): Promise<boolean> {
    return this.#bound(
      "read",
      "none",
      (signal) => this.#store.has(id, { signal }),
    );
  }

  async *entries(
    options?: EntriesOptions,
  ): AsyncGenerator<
    readonly [id: string, record: SessionRecord, lastAccess: number]
  > {
    const entries = this.#store.entries(options)[Symbol.asyncIterator]();
    let isOver = false;
    try {
      for (;;) {
        isOver = true;
        const next = () => entries.next();
        const { done, value } = await this.#bound("list", "none", next);
        if (done) return;
        isOver = false;
        yield value;
      }
    } finally {
      const end = entries.return?.();
      // While a step is outstanding this may never be answered.
      if (isOver) end?.catch(() => {});
      else await end;
    }
  }

  #bound<T>(
    operation: string,
    outcome: SessionStoreTimeoutError["outcome"],
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (!this.#latest?.isOpen) this.#latest = new Calls(this.#timeout);
    return this.#latest.make(
      call,
      () => new SessionStoreTimeoutError(operation, this.#timeout, outcome),
    );
  }
}

/**
 * Calls that began at about the same time, and have one timer and one signal: a
 * timer for each would cost more than some calls.
 */
class Calls {
  readonly #controller: AbortController = new AbortController();
  /** What ends the wait for each call that was not answered yet. */
  readonly #waiting: Set<() => void> = new Set();
  readonly #closesAt: number;
  readonly #timeout: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeout: number) {
    const width = timeout * PRECISION;
    this.#closesAt = performance.now() + width;
    this.#timeout = Math.min(timeout + width, LONGEST_TIMER);
  }

  /** Whether more calls may join. */
  get isOpen(): boolean {
    return performance.now() < this.#closesAt;
  }

  /**
   * Makes a call, and waits for its answer or until the time is over. The signal
   * that the call is given is aborted then: it gives up its turn.
   */
  make<T>(
    call: (signal: AbortSignal) => Promise<T>,
    makeError: () => Error,
  ): Promise<T> {
    // Before the timer is set: the call may throw instead.
    const answering = call(this.#controller.signal);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const expire = () => reject(makeError());
    this.#add(expire);
    answering.then((answer) => {
      this.#remove(expire);
      resolve(answer);
    }, (error) => {
      this.#remove(expire);
      reject(error);
    });
    return promise;
  }

  #add(expire: () => void): void {
    this.#timer ??= setTimeout(() => this.#end(), this.#timeout);
    this.#waiting.add(expire);
  }

  #remove(expire: () => void): void {
    this.#waiting.delete(expire);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #end(): void {
    for (const expire of this.#waiting) expire();
    this.#controller.abort();
  }
}
