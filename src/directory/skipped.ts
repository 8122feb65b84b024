import type { CleanupResult } from "../core/store.ts";
import type { Warnings } from "../core/warnings.ts";
import { openExisting } from "../system/files.ts";
import { system } from "../system/system.ts";
import { markerPath } from "./layout.ts";
import { describeOwner } from "./prepare_directory.ts";

/**
 * What a cleanup leaves because it may not be opened. That concerns the file alone
 * if the marker may be opened: root ran the server once, or a restore gave it to
 * another user. Anything else concerns all files, and ends the cleanup.
 */
export class Skipped {
  readonly #marker: string;
  readonly #write: boolean;
  readonly #warnings: Warnings;
  /** There are few, while a directory may be full of sessions. */
  readonly #once: Set<string> = new Set();
  #files = 0;

  /**
   * @param directory The directory.
   * @param write Whether files are opened also to write.
   * @param warnings Is told of each.
   */
  constructor(directory: string, write: boolean, warnings: Warnings) {
    this.#marker = markerPath(directory);
    this.#write = write;
    this.#warnings = warnings;
  }

  /** How many there are, for the result. */
  get count(): Pick<CleanupResult, "skipped"> {
    return this.#files === 0 ? {} : { skipped: this.#files };
  }

  /**
   * Counts a file, and warns of it.
   *
   * @param path The file.
   * @param error Why it is left.
   * @param sessionId The session that its name says.
   * @throws The error, if it is not about this file alone.
   */
  add(path: string, error: unknown, sessionId?: string): void {
    const isOfFile = error instanceof Deno.errors.PermissionDenied &&
      this.#isBarred(path) && !this.#isBarred(this.#marker);
    if (!isOfFile) throw error;
    this.#files++;
    this.#warnings.tell({
      type: "not permitted",
      ...sessionId !== undefined && { sessionId },
      path,
      error,
      message: `Skipping ${path}, which may not be opened: ${
        describeOwner(path)
      }; remove it, or give it to the owner of the directory`,
    });
  }

  /**
   * The same, for a file that many sessions need.
   *
   * @param path The file.
   * @param error Why it is left.
   */
  addOnce(path: string, error: unknown): void {
    if (this.#once.has(path)) return;
    this.add(path, error);
    this.#once.add(path);
  }

  #isBarred(path: string): boolean {
    try {
      // A directory is not opened to write.
      const write = this.#write && !system.lstat(path).isDirectory;
      const file = openExisting(path, write);
      if (file !== undefined) system.close(file);
      return false;
    } catch (error) {
      return error instanceof Deno.errors.PermissionDenied;
    }
  }
}
