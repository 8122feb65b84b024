import { system } from "./system.ts";

/**
 * Makes an empty file for its lock alone, unless it is there.
 *
 * @param path Its name.
 */
export function makeLockFile(path: string): void {
  const options = { write: true, createNew: true, mode: 0o600 };
  let file: Deno.FsFile;
  try {
    file = system.open(path, options);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  try {
    // The umask may have taken rights of the owner's own.
    system.changeMode(path, 0o600);
  } finally {
    system.close(file);
  }
}
