import { SessionDirectoryError } from "../core/errors.ts";
import { checkMarked } from "../directory/prepare_directory.ts";

/**
 * Refuses what is no directory of sessions, so that a mistyped path neither
 * loses nor gains a file.
 *
 * @param directory What was written on the command line.
 * @throws {SessionDirectoryError} If no sessions were ever kept there.
 */
export function checkSessions(directory: string): void {
  checkThere(directory);
  checkMarked(directory);
}

/** The store's own message names an option that only a program can use. */
function checkThere(directory: string): void {
  try {
    Deno.statSync(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new SessionDirectoryError(directory, "it is missing", {
      cause: error,
    });
  }
}
