import type { StoreWarning } from "../core/store.ts";
import { system } from "../system/system.ts";
import { quarantinePath } from "./layout.ts";

const MOST_REMEMBERED = 1_000;

/**
 * Sets unreadable files aside, and reports each file that has a session's name
 * and does not hold it: one that is set aside once, by the process that did it;
 * one that is left where it is once in each process.
 */
export class Quarantine {
  readonly #directory: string;
  readonly #onWarning: (warning: StoreWarning) => void;
  readonly #reported: Set<string> = new Set();

  /**
   * @param directory The directory of sessions.
   * @param onWarning Called with each report.
   */
  constructor(directory: string, onWarning: (warning: StoreWarning) => void) {
    this.#directory = directory;
    this.#onWarning = onWarning;
  }

  /**
   * Renames an unreadable file for inspection, over one that was set aside for
   * the same ID before. Its mtime is set to now: the cleaner keeps it for days
   * from now on.
   *
   * @param path The session's file.
   * @param id The session ID that the name says.
   * @param file The open file, which is held; without that the name could lead
   * to another one.
   */
  setAside(path: string, id: string, file: Deno.FsFile): void {
    const aside = quarantinePath(this.#directory, id);
    system.rename(path, aside);
    system.setModified(file, system.now());
    this.#onWarning({
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
    if (this.#reported.has(id)) return;
    if (this.#reported.size >= MOST_REMEMBERED) this.#reported.clear();
    this.#reported.add(id);
    const message = `Ignoring session ${id}: ${path} ${DESCRIPTION[type]}`;
    this.#onWarning({ type, sessionId: id, path, error, message });
  }
}

const DESCRIPTION = {
  "unreadable": "is unreadable, and cannot be set aside",
  "newer": "is of a later version of this package",
  "foreign": "is another session's file",
  "not a file": "is not a regular file",
} as const;
