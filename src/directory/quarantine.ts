import { quarantinePath } from "./layout.ts";
import { system } from "../system/system.ts";

/** A file that bears a session's name and holds none: to its clients, no session. */
export interface StoreWarning {
  /**
   * `"unreadable"`: empty, cut off, garbage or of another version.
   * `"foreign"`: whole, and another session's; left where it is.
   * `"not a file"`: a link, a directory, a pipe; left where it is.
   */
  readonly type: "unreadable" | "foreign" | "not a file";
  /** The session ID that the name says. */
  readonly sessionId: string;
  /** Where it is now. */
  readonly path: string;
  /** What kept an unreadable file from being set aside, if anything did. */
  readonly error?: unknown;
  /** All of this in a sentence for a log. */
  readonly message: string;
}

const MOST_REMEMBERED = 1_000;

/**
 * Sees to files that bear a session's name and hold none, and tells of each
 * once: of one that is set aside whoever did it, of one that is left where it
 * is each process.
 */
export class Quarantine {
  readonly #directory: string;
  readonly #onWarning: (warning: StoreWarning) => void;
  readonly #told: Set<string> = new Set();

  /**
   * @param directory The directory of sessions.
   * @param onWarning Is told.
   */
  constructor(directory: string, onWarning: (warning: StoreWarning) => void) {
    this.#directory = directory;
    this.#onWarning = onWarning;
  }

  /**
   * Renames an unreadable file for inspection, over one that was set aside for
   * the same ID before. Its mtime becomes the present: the cleaner keeps it for
   * days from now.
   *
   * @param path The session's file.
   * @param id The session ID that the name says.
   * @param file The open file, which is held: another may be behind the name otherwise.
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
   * Leaves a file where it is.
   *
   * @param type What it is.
   * @param path Where it is.
   * @param id The session ID that the name says.
   * @param error What kept it from being set aside, if anything did.
   */
  report(
    type: StoreWarning["type"],
    path: string,
    id: string,
    error?: unknown,
  ): void {
    if (this.#told.has(id)) return;
    if (this.#told.size >= MOST_REMEMBERED) this.#told.clear();
    this.#told.add(id);
    const message = `Session ${id} is none: ${path} is ${DESCRIPTION[type]}`;
    this.#onWarning({ type, sessionId: id, path, error, message });
  }
}

const DESCRIPTION: Record<StoreWarning["type"], string> = {
  "unreadable": "unreadable, and cannot be set aside",
  "foreign": "another session's file",
  "not a file": "not a file",
};
