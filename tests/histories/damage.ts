/** Deliberate damage to a store, which a checker must notice. */

import { system } from "../../src/system/system.ts";

/** The kinds of damage. */
export type Damage =
  | "locks exclude no other process"
  | "a store does not check the name after locking";

/**
 * How long a damaged step takes, in ms: long enough for other processes to act in
 * between, also on one processor. A store without damage is correct with it too.
 */
const DELAY = 0.2;
const clock = new Int32Array(new SharedArrayBuffer(4));

/**
 * Damages the store of this process or worker, until it ends.
 *
 * @param damage The kind of damage.
 */
export function inflict(damage: Damage): void {
  const { tryLock, fstat } = system;
  switch (damage) {
    case "locks exclude no other process":
      system.tryLock = () => {
        Atomics.wait(clock, 0, 0, DELAY);
        return true;
      };
      break;
    case "a store does not check the name after locking": {
      // A session's name may then lead to a file that a process keeps locked,
      // to write its next change over, while its own flows wait for that lock.
      let latest: Deno.FileInfo;
      system.tryLock = (file, exclusive) => {
        Atomics.wait(clock, 0, 0, DELAY);
        return tryLock(file, exclusive);
      };
      system.fstat = (file) => latest = fstat(file);
      // lstat always gives the file that was opened last.
      system.lstat = () => latest;
    }
  }
}
