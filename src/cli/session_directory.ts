import { existsSync } from "@std/fs/exists";
import { SessionDirectoryError } from "../core/errors.ts";
import { DirectorySessionStore } from "../directory/directory_store.ts";
import { checkMarked } from "../directory/prepare_directory.ts";
import type { ProgressLine } from "./terminal.ts";

/**
 * Opens a directory of sessions. Any other directory is refused, so that a
 * mistyped path neither loses nor gains a file.
 *
 * @param directory The path from the command line.
 * @param line The progress line, which makes room for warnings.
 * @throws {SessionDirectoryError} If no sessions were ever kept there.
 */
export function openSessionDirectory(
  directory: string,
  line: ProgressLine,
): DirectorySessionStore {
  // The store's own message names an option that only a program can set.
  if (!existsSync(directory)) {
    throw new SessionDirectoryError(directory, "it is missing");
  }
  checkMarked(directory);
  return new DirectorySessionStore(directory, {
    onWarning: ({ message }) => {
      line.erase();
      console.error(message);
    },
  });
}
