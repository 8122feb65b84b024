/*
 * How a flow waits: for a lock that another process holds, for its turn among
 * the flows of this process, for an engine, for the event loop. While it waits
 * it holds no lock and no thread, and an aborted signal ends the wait at once.
 */
import { SessionLockTimeoutError } from "../core/errors.ts";
import { system } from "./system.ts";

/** What a step returns that found a lock held: it changed nothing, try again. */
export const AGAIN: unique symbol = Symbol("again");
/** The type of {@linkcode AGAIN}. */
export type Again = typeof AGAIN;

/** How often to try again without a timer: a lock is held for about 50 µs. */
const TRIES_AT_ONCE = 2;
/** The longest wait for the lock of a file, in milliseconds. */
export const LONGEST_FOR_A_FILE = 8;
/** How long to retry where the caller sets no limit, in milliseconds. */
const TIMEOUT = 5_000;
/** A timer of more than 2 ** 31 ms would fire at once. */
const LONGEST_TIMER = 2 ** 30;

/**
 * Random waits that grow from 1 ms, so that waiters do not retry in step. Each
 * is the product of two random numbers, and so more often short than long: with
 * long ones, a flow that has waited long would get less than one that has just
 * begun to wait.
 */
export class BackOff {
  readonly #most: number;
  #longest = 1;

  /** @param most The longest wait, in milliseconds. */
  constructor(most: number = 32) {
    this.#most = most;
  }

  /**
   * Waits before the next try.
   *
   * @param signal Ends the wait at once, with its reason.
   * @param left How long to wait at most, in milliseconds.
   */
  async wait(
    signal: AbortSignal | undefined,
    left: number = Infinity,
  ): Promise<void> {
    const ms = Math.random() * Math.random() * this.#longest;
    this.#longest = Math.min(2 * this.#longest, this.#most);
    await system.wait(Math.min(ms, left), signal);
  }
}

/** What is waited for, and for how long. */
export interface WaitOptions {
  /** The name that is waited for, for the error's message. */
  readonly path: string;
  /** How long to go on, in milliseconds. */
  readonly timeout: number;
  /** Ends the wait at once. */
  readonly signal: AbortSignal | undefined;
  /** When it began, by the monotonic clock; missing for now. */
  readonly since?: number;
}

/** The flows of this process that wait for a name. */
const lines: Map<string, Set<PlaceInLine>> = new Map();

/**
 * Repeats a step until it does not find a lock held: at once, because a name
 * that was just replaced is free; twice after the other flows of this process
 * had their turn, which is sooner than any timer; and then after random waits
 * that grow to 8 ms. Between two tries nothing is held.
 *
 * Of the flows of this process that wait for one name, the first tries and the
 * others stand in line: a thousand cost no more than one, and each process has
 * one try, however many of its flows wait.
 *
 * @param step Synchronous, and complete unless it returns {@linkcode AGAIN}.
 * @param waitOptions When to give up.
 * @returns What the step returned at last.
 * @throws {SessionLockTimeoutError} If the lock does not become free in time.
 */
export async function retryUntilFree<T>(
  step: () => T | Again,
  waitOptions: WaitOptions,
): Promise<T> {
  const { path, timeout, signal } = waitOptions;
  const { since = system.monotonic() } = waitOptions;
  signal?.throwIfAborted();
  const end = since + timeout;
  const backOff = new BackOff(LONGEST_FOR_A_FILE);
  using place = new PlaceInLine(lines, path);
  for (let atOnce = TRIES_AT_ONCE;;) {
    const result = step();
    if (result !== AGAIN) return result;
    const left = end - system.monotonic();
    if (left <= 0) throw new SessionLockTimeoutError(path, timeout);
    const { isFirst } = place;
    if (isFirst && atOnce-- <= 0) {
      await backOff.wait(signal, left);
      continue;
    }
    if (!isFirst) await place.waitForTurn(left, signal);
    // A long line that moves on must not keep the event loop to itself.
    await system.pause();
    signal?.throwIfAborted();
  }
}

/** Why a wait in line ended, if the turn has come. */
const TURN = Symbol("turn");

/** A place in the line for a name; disposing leaves it to the next one. */
export class PlaceInLine implements Disposable {
  readonly #lines: Map<string, Set<PlaceInLine>>;
  readonly #name: string;
  readonly #line: Set<PlaceInLine>;
  #turn: AbortController | undefined;

  /**
   * Takes the last place.
   *
   * @param lines The line for each name for which there is one.
   * @param name The name.
   */
  constructor(lines: Map<string, Set<PlaceInLine>>, name: string) {
    this.#lines = lines;
    this.#name = name;
    this.#line = lines.get(name) ?? new Set();
    this.#line.add(this);
    lines.set(name, this.#line);
  }

  /** Whether its turn has come. */
  get isFirst(): boolean {
    const [first] = this.#line;
    return first === this;
  }

  /**
   * Resolves when this has become the first place, or the time is over.
   *
   * @param timeout How long to wait at most, in milliseconds.
   * @param signal Ends the wait at once, with its reason.
   */
  async waitForTurn(
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    const turn = new AbortController();
    this.#turn = turn;
    const abort = () => turn.abort(signal!.reason);
    signal?.addEventListener("abort", abort);
    try {
      await system.wait(Math.min(timeout, LONGEST_TIMER), turn.signal);
    } catch (reason) {
      if (reason !== TURN) throw reason;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Leaves the line, once. */
  [Symbol.dispose](): void {
    this.#line.delete(this);
    const [next] = this.#line;
    if (next === undefined) this.#lines.delete(this.#name);
    else next.#turn?.abort(TURN);
  }
}

/** The conflicts of one operation with others on the same session. */
export class Conflicts {
  readonly #id: string;
  readonly #signal: AbortSignal | undefined;
  #start: number | undefined;
  #backOff: BackOff | undefined;

  /**
   * @param id The session.
   * @param signal Ends a wait at once, with its reason.
   */
  constructor(id: string, signal: AbortSignal | undefined) {
    this.#id = id;
    this.#signal = signal;
  }

  /**
   * Waits before the next try.
   *
   * @throws {SessionLockTimeoutError} If five seconds have passed since the
   * first conflict.
   */
  async wait(): Promise<void> {
    this.#start ??= system.monotonic();
    if (system.monotonic() - this.#start > TIMEOUT) {
      throw new SessionLockTimeoutError(`session ${this.#id}`, TIMEOUT);
    }
    this.#backOff ??= new BackOff();
    await this.#backOff.wait(this.#signal);
  }
}

/**
 * Repeats a call to an engine while another process keeps it from its work.
 *
 * @param call What to do; one that is kept from it has done nothing.
 * @param isHeld Tells by what the call throws whether that is so.
 * @throws What the call throws; also when it has been kept from it for five
 * seconds.
 */
export async function retryCall<T>(
  call: () => Promise<T> | T,
  isHeld: (error: unknown) => boolean,
): Promise<T> {
  const start = system.monotonic();
  const backOff = new BackOff();
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isTooLong = system.monotonic() - start > TIMEOUT;
      if (!isHeld(error) || isTooLong) throw error;
    }
    await backOff.wait(undefined);
  }
}

/**
 * Waits for an engine, or until a signal is aborted; the engine's work then
 * goes on, and its result is dropped.
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
 * Streams what an engine streams, and waits for each item as
 * {@linkcode untilAborted} does.
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
    // While an item is outstanding this may never be answered.
    if (isAsked) end?.catch(() => {});
    else await end;
  }
}

const LONGEST_SLICE = 3;

/**
 * Tells a long loop when to give the event loop back: every few milliseconds,
 * so that a directory of a million sessions does not stop a server.
 */
export class Pacer {
  readonly #onPause: (() => void) | undefined;
  #sliceEnd = system.monotonic() + LONGEST_SLICE;

  /** @param onPause Called before each pause. */
  constructor(onPause?: () => void) {
    this.#onPause = onPause;
  }

  /** Whether it is time to {@linkcode pause}. */
  get isDue(): boolean {
    return system.monotonic() >= this.#sliceEnd;
  }

  /** Gives the event loop back once. */
  async pause(): Promise<void> {
    this.#onPause?.();
    await system.pause();
    this.#sliceEnd = system.monotonic() + LONGEST_SLICE;
  }
}
