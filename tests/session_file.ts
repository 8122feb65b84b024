/** The last access of a session, read and written without a store. */

import {
  ACCESS_AT,
  encodeLastAccess,
  readLastAccess,
} from "../src/core/codec.ts";

/**
 * Writes a last access into a session's file.
 *
 * @param path The file; what is not a session's is changed all the same.
 * @param lastAccess In ms since the epoch.
 */
export function setLastAccess(path: string, lastAccess: number): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(ACCESS_AT, Deno.SeekMode.Start);
  file.writeSync(encodeLastAccess(lastAccess));
}

/** Reads the last access from a session's file. */
export function lastAccessIn(path: string): number | undefined {
  return readLastAccess(Deno.readFileSync(path));
}
