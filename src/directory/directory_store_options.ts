import type { Durability } from "../core/store.ts";
import type { StoreWarning } from "./quarantine.ts";

/** What `DirectorySessionStore` takes. */
export interface DirectorySessionStoreOptions {
  /**
   * Makes the directory, mode 0700, when it is missing. Without it a missing
   * directory is an error, as in session3: a mistyped path logs everybody out.
   *
   * @default {false}
   */
  readonly create?: boolean | undefined;
  /**
   * How long an operation waits for a session that another process holds, in
   * milliseconds. A hold takes microseconds, so who waits longer than this
   * waits for a process that was stopped.
   *
   * @default {5000}
   */
  readonly lockTimeout?: number | undefined;
  /**
   * What an acknowledged change survives: `"process"`, the death of any
   * process; `"power"`, also a power loss, at the price of three `fsync` a
   * change. After a power loss `"process"` may have lost the last seconds of
   * changes, a logout among them; what is torn is recognised and is no session.
   * With `"power"` make the directory beforehand: that `create` made it is not
   * on the disk at once.
   *
   * @default {"process"}
   */
  readonly durability?: Durability | undefined;
  /**
   * Is told, once each, of files that bear a session's name and hold none.
   *
   * @default {console.warn} of its message
   */
  readonly onWarning?: ((warning: StoreWarning) => void) | undefined;
}

/**
 * Checks what a directory store is given, and that this Deno can lock files.
 *
 * @param lockTimeout Any value at all.
 * @param durability Any value at all.
 * @throws {Deno.errors.NotSupported} If this Deno is too old.
 * @throws {RangeError} If the timeout is not a number from 0 up.
 * @throws {TypeError} If the durability is none.
 */
export function checkDirectoryOptions(
  lockTimeout: unknown,
  durability: unknown,
): void {
  if (!("tryLockSync" in Deno.FsFile.prototype)) {
    throw new Deno.errors.NotSupported(
      `Cannot keep sessions in a directory: Deno 2.8 or later is needed, this is ${Deno.version.deno}`,
    );
  }
  if (typeof lockTimeout !== "number" || !(lockTimeout >= 0)) {
    throw new RangeError(
      "Cannot use lockTimeout: it is not a number from 0 up",
    );
  }
  if (durability !== "process" && durability !== "power") {
    throw new TypeError(
      'Cannot use durability: it is neither "process" nor "power"',
    );
  }
}
