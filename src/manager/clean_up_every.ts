import { checkNumber } from "../core/checks.ts";
import { callListener } from "../core/listener.ts";
import { cleanupRule } from "../core/record.ts";
import type { CleanupResult, SessionStore } from "../core/store.ts";
import { type ObservationOptions, observerOf } from "./operations.ts";

/** What {@linkcode cleanUpEvery} takes. */
export interface CleanUpEveryOptions extends ObservationOptions {
  /**
   * How long a session without a lifetime of its own may lie unused.
   *
   * @default {Infinity} such sessions stay
   */
  readonly minutes?: number | undefined;
  /**
   * How much longer than its time a session is kept, in milliseconds: room for
   * a clock of another machine that differs.
   *
   * @default {120000}
   */
  readonly grace?: number | undefined;
  /**
   * After how many seconds a cleanup stops, with what it has done.
   *
   * @default {Infinity}
   */
  readonly maxSeconds?: number | undefined;
  /**
   * Ends the cleanups, as disposing does.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Is called after each cleanup, with what it did or what it threw. What this
   * throws, or rejects with, goes to `console.error`.
   *
   * @default {undefined} what a cleanup throws goes to `console.error`
   */
  readonly onResult?:
    | ((result: PromiseSettledResult<CleanupResult>) => void)
    | undefined;
}

/** A timer of more than 2 ** 31 ms would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;
const BUSY: CleanupResult = {
  deleted: 0,
  remaining: 0,
  orphans: 0,
  isBusy: true,
};

/** The stores that this process is cleaning. */
const atWork = new WeakSet<object>();

/**
 * Deletes old sessions from time to time, where there is no cron: in the second
 * half of each interval, at random, so that servers that were started together do
 * not all clean at once. It keeps no process running.
 *
 * A store has one cleanup at a time in a process. Of several processes on a
 * directory one cleans, and the others have `isBusy`; those on an engine may clean
 * at once, and each session is deleted once. A cleanup that fails is told, and the
 * next one tries again.
 *
 * @param store The store.
 * @param ms The interval, in milliseconds.
 * @param options What is old, and where results go.
 * @returns What ends it when disposed: no cleanup begins any more, and one at work
 * is given up without a result.
 * @throws {TypeError} If a number is not one.
 * @throws {RangeError} If it is out of bounds: the interval below 1 ms or above 24
 * days.
 *
 * @example Once an hour, as long as a server runs
 * ```ts
 * import { cleanUpEvery, MemorySessionStore } from "@latchkey/session";
 *
 * const store = new MemorySessionStore();
 * using _cleanups = cleanUpEvery(store, 60 * 60 * 1000, { minutes: 30 });
 * // await Deno.serve(handler).finished;
 * ```
 */
export function cleanUpEvery(
  store: Pick<SessionStore, "deleteOldSessions">,
  ms: number,
  options: CleanUpEveryOptions = {},
): Disposable {
  const { minutes = Infinity, grace = 120_000, maxSeconds } = options;
  const { onResult = logFailure } = options;
  checkNumber(ms, "Cannot clean up: ms", { least: 1, most: LONGEST_TIMER });
  cleanupRule(minutes, grace);
  if (maxSeconds !== undefined) {
    checkNumber(maxSeconds, "Cannot clean up: maxSeconds");
  }
  const ended = new AbortController();
  const signals = [ended.signal, options.signal ?? []].flat();
  const signal = AbortSignal.any(signals);
  const observe = observerOf(options);

  const cleanUp = async (): Promise<CleanupResult> => {
    if (atWork.has(store)) return BUSY;
    atWork.add(store);
    try {
      const cleanup = { grace, maxSeconds, signal };
      return await store.deleteOldSessions(minutes, cleanup);
    } finally {
      atWork.delete(store);
    }
  };
  let timer: ReturnType<typeof setTimeout>;
  const wait = () => {
    timer = setTimeout(run, ms * (1 + Math.random()) / 2);
    timer.unref();
  };
  const run = async () => {
    const cleaning = observe?.("cleanup", cleanUp, outcomeOf) ?? cleanUp();
    const [result] = await Promise.allSettled([cleaning]);
    if (signal.aborted) return;
    callListener(() => onResult(result), "onResult of cleanUpEvery failed:");
    wait();
  };
  if (!signal.aborted) {
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
    wait();
  }
  return { [Symbol.dispose]: () => ended.abort() };
}

function outcomeOf({ isBusy, isPartial }: CleanupResult): string {
  return isBusy ? "busy" : isPartial ? "partial" : "done";
}

function logFailure(result: PromiseSettledResult<CleanupResult>): void {
  if (result.status === "fulfilled") return;
  console.error("Cannot clean up sessions:", result.reason);
}
