/** Puts a test between the directory store and the operating system. */

import { temporaryBirth } from "../src/directory/layout.ts";
import { type System, system } from "../src/system/system.ts";

/**
 * Replaces some members of the operating system until the end of the block.
 *
 * @param members The replacements, by the names of the calls.
 */
export function replaceSystem(members: Partial<System>): Disposable {
  const before = { ...system };
  Object.assign(system, members);
  return { [Symbol.dispose]: () => void Object.assign(system, before) };
}

/**
 * Stops the clock until the end of the block.
 *
 * @param now The time, in ms since the epoch.
 */
export function stopClock(now: number): Disposable {
  return replaceSystem({ now: () => now });
}

/** The system calls of a block, in their order. */
export interface RecordedCalls extends Disposable {
  /** As `"rename temporary to session"`. */
  readonly calls: readonly string[];
  /** Returns the recorded calls, and clears them. */
  take(): string[];
}

const RECORDED = [
  "open",
  "tryLock",
  "unlock",
  "close",
  "read",
  "write",
  "rewind",
  "overwrite",
  "truncate",
  "sync",
  "setModified",
  "fstat",
  "lstat",
  "stat",
  "link",
  "rename",
  "remove",
  "removeLater",
  "makeDirectory",
  "changeMode",
  "readDirectory",
] as const;

/**
 * Records the system calls until the end of the block.
 *
 * @param directory The directory of sessions, called so in the record.
 */
export function recordSystem(directory: string): RecordedCalls {
  const calls: string[] = [];
  const paths = new WeakMap<object, string>();
  const describe = (value: unknown): string[] => {
    const path = typeof value === "string" ? value : paths.get(value as object);
    return path === undefined ? [] : [nameOf(path, directory)];
  };
  const members = RECORDED.map((call) => {
    const original = system[call];
    return [call, (...args: unknown[]) => {
      const exclusive = call === "tryLock" ? [args[1] ? "" : "shared"] : [];
      const names = args.filter((arg) => arg !== null && arg !== undefined)
        .flatMap((arg) =>
          typeof arg === "string" || typeof arg === "object"
            ? describe(arg)
            : []
        );
      calls.push(
        [call, names.join(" to "), ...exclusive].filter(Boolean).join(" "),
      );
      const result: unknown = Reflect.apply(original, system, args);
      if (call === "open") paths.set(result as object, args[0] as string);
      return result;
    }];
  });
  const replaced = replaceSystem(Object.fromEntries(members));
  return {
    calls,
    take: () => calls.splice(0),
    [Symbol.dispose]: () => replaced[Symbol.dispose](),
  };
}

function nameOf(path: string, directory: string): string {
  if (path === directory) return "directory";
  const name = path.slice(path.lastIndexOf("/") + 1);
  const depth = path.slice(directory.length).split("/").indexOf(name);
  if (path.startsWith(`${directory}/.users`)) {
    if (depth < 3) return ["users", "bucket"][depth - 1]!;
    return name === ".lock" ? "bucket-lock" : "entry";
  }
  if (temporaryBirth(name) !== undefined) return "temporary";
  if (name === ".latchkey") return "marker";
  return name.endsWith(".bad") ? "aside" : "session";
}

/**
 * Acts once, right before a call, as another process could.
 *
 * @param call Which kind of call.
 * @param isIt Selects the call by its arguments; not called any more after that.
 * @param act Runs before the call. Its own calls are not counted.
 */
export function actBefore<Name extends "open" | "tryLock" | "wait" | "lstat">(
  call: Name,
  isIt: (...args: Parameters<System[Name]>) => boolean,
  act: () => void,
): Disposable & { readonly hasActed: boolean } {
  const original = system[call] as (...args: unknown[]) => unknown;
  let hasActed = false;
  const replaced = replaceSystem({
    [call]: (...args: Parameters<System[Name]>) => {
      if (!hasActed && isIt(...args)) {
        hasActed = true;
        act();
      }
      return original(...args);
    },
  });
  return {
    get hasActed() {
      return hasActed;
    },
    [Symbol.dispose]: () => replaced[Symbol.dispose](),
  };
}

/** A clock that only waits move. */
export interface FakeWaiting extends Disposable {
  /** The length of each wait. */
  readonly waits: readonly number[];
  /** Returns the waits, and clears them. */
  take(): number[];
  /** How often the event loop was given back without a wait. */
  readonly pauses: number;
}

/**
 * Ends every wait at once, and moves the monotonic clock by its length.
 *
 * @param onWait Called with the number of each wait, from 1, before it ends.
 */
export function fakeWaiting(onWait?: (count: number) => void): FakeWaiting {
  let now = 1_000;
  let count = 0;
  const waits: number[] = [];
  let pauses = 0;
  const { pause } = system;
  const replaced = replaceSystem({
    monotonic: () => now,
    pause: () => {
      pauses++;
      return pause();
    },
    wait: async (ms, signal) => {
      onWait?.(++count);
      signal?.throwIfAborted();
      waits.push(ms);
      now += ms;
      await Promise.resolve();
    },
  });
  return {
    waits,
    take: () => waits.splice(0),
    get pauses() {
      return pauses;
    },
    [Symbol.dispose]: () => replaced[Symbol.dispose](),
  };
}
