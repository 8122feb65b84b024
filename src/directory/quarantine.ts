import { isRevocationId } from "../core/revocation.ts";
import type { Warnings } from "../core/warnings.ts";
import { system } from "../system/system.ts";
import { quarantinePath } from "./layout.ts";

/**
 * Sets unreadable files aside, and reports each file that has a session's name
 * and does not hold it.
 */
export class Quarantine {
  readonly #directory: string;
  readonly #warnings: Warnings;

  /**
   * @param directory The directory of sessions.
   * @param warnings Gets each report.
   */
  constructor(directory: string, warnings: Warnings) {
    this.#directory = directory;
    this.#warnings = warnings;
  }

  /**
   * Renames an unreadable file for inspection, over one that was set aside for
   * the same ID before; or leaves it, where that is not possible. Its mtime is set to now: the cleaner keeps it for days
   * from now on.
   *
   * @param path The session's file.
   * @param id The session ID that the name says.
   * @param file The open file, which is held; without that the name could lead
   * to another one.
   */
  setAside(path: string, id: string, file: Deno.FsFile): void {
    const aside = quarantinePath(this.#directory, id);
    try {
      system.rename(path, aside);
      system.setModified(file, system.now());
    } catch (error) {
      this.report("unreadable", path, id, error);
      return;
    }
    this.#warnings.tell({
      type: "unreadable",
      sessionId: id,
      path: aside,
      message: `Session ${id} was unreadable; its file is now ${aside}`,
    });
  }

  /**
   * Reports a file that is left where it is.
   *
   * @param type What it is.
   * @param path Where it is.
   * @param id The session ID that the name says.
   * @param error Why it could not be set aside, if it could not.
   */
  report(
    type: keyof typeof DESCRIPTION,
    path: string,
    id: string,
    error?: unknown,
  ): void {
    const isMark = type === "unreadable" && isRevocationId(id);
    const what = isMark ? UNREADABLE_MARK : DESCRIPTION[type];
    const message = `Ignoring session ${id}: ${path} ${what}`;
    this.#warnings.tell({ type, sessionId: id, path, error, message });
  }
}

const UNREADABLE_MARK =
  "is unreadable; it says which sessions of a user have ended, and so it is left, and ends them all until revokeUser() replaces it";

const DESCRIPTION = {
  "unreadable": "is unreadable, and cannot be set aside",
  "newer": "is of a later version of this package",
  "foreign": "is another session's file",
  "not a file": "is not a regular file",
} as const;
