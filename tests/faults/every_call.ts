import { type System, system } from "../../src/system/system.ts";
import { replaceSystem } from "../replaced_system.ts";

/** One system call that is about to be made. */
export interface Call {
  readonly name: keyof System;
  readonly args: readonly unknown[];
  /** Makes it, and returns what it returns. */
  make(): unknown;
}

/** Calls that do not use the disk. */
const NO_CALLS = new Set(["now", "monotonic", "random", "wait", "pause"]);

/**
 * Puts itself in front of every system call until the end of the block; the
 * clocks, random numbers and waiting do not count.
 *
 * @param act Is given each call, and returns what is to be its result.
 */
export function replaceEveryCall(act: (call: Call) => unknown): Disposable {
  const members = Object.entries(system)
    .filter(([name]) => !NO_CALLS.has(name))
    .map(([name, member]) => [
      name,
      (...args: unknown[]) =>
        act({
          name: name as keyof System,
          args,
          make: () =>
            name === "removeLater"
              ? removeNow(args[0] as string)
              : Reflect.apply(member, system, args),
        }),
    ]);
  return replaceSystem(Object.fromEntries(members));
}

/** So that what is there does not depend on another thread. */
function removeNow(path: string): Promise<void> {
  return Promise.try(() => Deno.removeSync(path));
}
