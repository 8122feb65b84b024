/*
 * How whoever finds a lock held waits for it: outside, with nothing in hand and
 * no thread parked, until it is told to end.
 */
import { SessionLockTimeoutError } from "../core/errors.ts";
import { system } from "./system.ts";

/** Somebody else is at work here: nothing was done, start again. */
export const AGAIN: unique symbol = Symbol("again");
/** See {@linkcode AGAIN}. */
export type Again = typeof AGAIN;

/** How often to come again at once: who is at work takes 50 µs. */
const SOON = 2;
const SHORTEST_WAIT = 1;
const LONGEST_WAIT = 8;

/** How long to go on trying, and who may end it. */
export interface WaitOptions {
  /** The name that is waited for, for the error's message. */
  readonly path: string;
  /** How long to go on, in milliseconds. */
  readonly timeout: number;
  /** Ends the wait at once. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Takes a step that nobody can cut into, again and again while somebody else
 * is at work there: at once, for a name that has just been replaced is free;
 * twice as soon as others of this process have had their turn, which is sooner
 * than any timer; and then after random whiles that grow to 8 ms, so that
 * waiters do not march in step. Between two tries nothing is held. A while is
 * more often short than long (a product of two draws): with long ones, who has
 * waited long would get less than who comes anew.
 *
 * Of the flows of this process that wait for one name, the first looks and the
 * others stand in line: a thousand cost no more than one, and each process has
 * one try, however many of its flows wait.
 *
 * @param step Synchronous, and complete unless it returns {@linkcode AGAIN}.
 * @param waitOptions When to give up.
 * @returns What the step returned at last.
 * @throws {SessionLockTimeoutError} When the time is over.
 */
export async function retryUntilFree<T>(
  step: () => T | Again,
  waitOptions: WaitOptions,
): Promise<T> {
  const { path, timeout, signal } = waitOptions;
  signal?.throwIfAborted();
  const end = system.monotonic() + timeout;
  using place = new PlaceInLine(path);
  for (let soon = SOON, longest = SHORTEST_WAIT;;) {
    const result = step();
    if (result !== AGAIN) return result;
    const left = end - system.monotonic();
    if (left <= 0) throw new SessionLockTimeoutError(path, timeout);
    if (!place.isFirst) {
      await place.waitForTurn(left, signal);
    } else if (soon-- > 0) {
      await system.pause();
      signal?.throwIfAborted();
    } else {
      const ms = Math.random() * Math.random() * longest;
      await system.wait(Math.min(ms, left), signal);
      longest = Math.min(2 * longest, LONGEST_WAIT);
    }
  }
}

/** Who of this process waits for a name, in the order in which they came. */
const lines = new Map<string, Set<PlaceInLine>>();

/** A place in the line for a name; disposing leaves it to the next one. */
class PlaceInLine implements Disposable {
  readonly #path: string;
  readonly #line: Set<PlaceInLine>;
  #turn: AbortController | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#line = lines.get(path) ?? new Set();
    this.#line.add(this);
    lines.set(path, this.#line);
  }

  get isFirst(): boolean {
    const [first] = this.#line;
    return first === this;
  }

  /** Resolves when it has become the first, or the time is over. */
  async waitForTurn(
    left: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    this.#turn = new AbortController();
    await waitForTurn(this.#turn, left, signal);
    // A long line that moves on must not keep the event loop to itself.
    await system.pause();
    signal?.throwIfAborted();
  }

  [Symbol.dispose](): void {
    this.#line.delete(this);
    const [next] = this.#line;
    if (next === undefined) lines.delete(this.#path);
    else next.#turn?.abort(MY_TURN);
  }
}

/** A timer of more than 2 ** 31 ms would be over at once. */
const LONGEST_TIMER = 2 ** 30;

/** What the turn of who waits in a line is aborted with when it has come. */
export const MY_TURN: unique symbol = Symbol("my turn");

/**
 * Waits in a line, until whoever is in front says that the turn has come.
 *
 * @param turn Is aborted with {@linkcode MY_TURN} then.
 * @param timeout How long to wait at most, in milliseconds.
 * @param signal Ends the wait at once, with its reason.
 */
export async function waitForTurn(
  turn: AbortController,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const abort = () => turn.abort(signal!.reason);
  signal?.addEventListener("abort", abort);
  try {
    await system.wait(Math.min(timeout, LONGEST_TIMER), turn.signal);
  } catch (reason) {
    if (reason !== MY_TURN) throw reason;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

const CONFLICT_TIMEOUT = 5_000;
const LONGEST_CONFLICT_WAIT = 32;

/** How often one operation was beaten by others to a session, and how long. */
export class Conflicts {
  readonly #id: string;
  readonly #signal: AbortSignal | undefined;
  #wait = 1;
  #start: number | undefined;

  /**
   * @param id The session.
   * @param signal Ends a wait at once, with its reason.
   */
  constructor(id: string, signal: AbortSignal | undefined) {
    this.#id = id;
    this.#signal = signal;
  }

  /**
   * Waits a random while before the next try.
   *
   * @throws {SessionLockTimeoutError} If this has gone on for five seconds.
   */
  async wait(): Promise<void> {
    this.#start ??= system.monotonic();
    if (system.monotonic() - this.#start > CONFLICT_TIMEOUT) {
      throw new SessionLockTimeoutError(
        `session ${this.#id}`,
        CONFLICT_TIMEOUT,
      );
    }
    await system.wait(Math.random() * this.#wait, this.#signal);
    this.#wait = Math.min(2 * this.#wait, LONGEST_CONFLICT_WAIT);
  }
}

/** How long SQLite itself waits, where it does. */
const LOCKED_TIMEOUT = 5_000;
const LONGEST_LOCKED_WAIT = 16;

/**
 * Calls an SQLite database, or a `Deno.Kv` in a file, which is one, as often as
 * it takes while another process writes to it. A call that fails so has done
 * nothing.
 *
 * @param call What to do.
 * @throws What the call throws; that the database is locked, if it has been for
 * five seconds.
 */
export async function untilUnlocked<T>(
  call: () => Promise<T> | T,
): Promise<T> {
  const start = system.monotonic();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isTooLong = system.monotonic() - start > LOCKED_TIMEOUT;
      if (!isLocked(error) || isTooLong) throw error;
    }
    await system.wait(Math.random() * LONGEST_LOCKED_WAIT, undefined);
  }
}

/** There is no class of its own for it, and not everywhere a code. */
function isLocked(error: unknown): boolean {
  return error instanceof Error && error.message === "database is locked";
}

/**
 * Waits for what an engine does, or for the end of all waiting. What is under
 * way then goes on, unseen.
 *
 * @param work What the engine does; it may be done already.
 * @param signal Ends the wait at once, with its reason.
 */
export function untilAborted<T>(
  work: Promise<T> | T,
  signal: AbortSignal | undefined,
): Promise<T> | T {
  if (signal === undefined || !(work instanceof Promise)) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return Promise.race([work, promise]).finally(() =>
    signal.removeEventListener("abort", stop)
  );
}

/**
 * Streams what an engine has, as {@linkcode untilAborted} waits for each.
 *
 * @param source What the engine streams.
 * @param signal Ends a wait at once, with its reason.
 */
export async function* eachUntilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const items = source[Symbol.asyncIterator]();
  let isAsked = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      isAsked = true;
      const { done, value } = await untilAborted(items.next(), signal);
      isAsked = false;
      if (done) return;
      yield value;
    }
  } finally {
    const end = items.return?.();
    // It answers this after what it was asked before, maybe never.
    if (isAsked) end?.catch(() => {});
    else await end;
  }
}

const LONGEST_SLICE = 3;

/**
 * Gives the event loop back every few milliseconds to whoever has much to do:
 * a directory of a million sessions must not stop a server.
 */
export class Pacer {
  readonly #onPause: (() => void) | undefined;
  #sliceEnd = system.monotonic() + LONGEST_SLICE;

  /** @param onPause Is told before each pause. */
  constructor(onPause?: () => void) {
    this.#onPause = onPause;
  }

  /** Whether it is time to {@linkcode pause}. */
  get isDue(): boolean {
    return system.monotonic() >= this.#sliceEnd;
  }

  /** Lets the others have their turn. */
  async pause(): Promise<void> {
    this.#onPause?.();
    await system.pause();
    this.#sliceEnd = system.monotonic() + LONGEST_SLICE;
  }
}
