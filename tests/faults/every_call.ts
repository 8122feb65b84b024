import { type System, system } from "../../src/system/system.ts";
import { replaceSystem } from "../replaced_system.ts";

/** One system call that is about to be made. */
export interface Call {
  readonly name: keyof System;
  readonly args: readonly unknown[];
  /** Makes the call, and returns its result. */
  make(): unknown;
}

/** Calls that do not use the disk. */
const NO_CALLS = new Set([
  "now",
  "monotonic",
  "random",
  "wait",
  "pause",
  "uid",
]);

/**
 * Replaces every system call until the end of the block, but not the clocks,
 * random numbers and waiting.
 *
 * @param act Gets each call, and returns its result.
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

/** Removes at once, not in another thread, so that every run is the same. */
function removeNow(path: string): Promise<void> {
  return Promise.try(() => Deno.removeSync(path));
}
