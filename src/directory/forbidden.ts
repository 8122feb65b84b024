/*
 * A file that may not be opened: root ran the server once, or restored a backup.
 * That is the problem of this file alone, so that no session but its own, and no
 * work on the whole directory, fails by it.
 */
import { system } from "../system/system.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { markerPath } from "./layout.ts";

/** Where a file may be forbidden, and what is told of it. */
type Surroundings = Pick<
  DirectoryContext,
  "directory" | "warnings" | "skipped"
>;

/**
 * Acts on a file that may be forbidden, see {@linkcode skip}.
 *
 * @param context The directory.
 * @param path The file, or a directory in it.
 * @param act Synchronous.
 * @param sessionId The session, where it is one's.
 * @returns What it returned; `undefined` when the file is forbidden.
 */
export function skipForbidden<T>(
  context: Surroundings,
  path: string,
  act: () => T,
  sessionId?: string,
): T | undefined {
  try {
    return act();
  } catch (error) {
    skip(context, path, error, sessionId);
    return undefined;
  }
}

/**
 * Tells of a file that may not be opened though the marker of its directory may,
 * once, with its path and owner. Where the marker may not either, or for any other
 * reason, it is the error of all files.
 *
 * @param context The directory.
 * @param path The file, or a directory in it.
 * @param error What was thrown.
 * @param sessionId The session, where it is one's.
 * @throws The error, if it is another.
 */
export function skip(
  { directory, warnings, skipped }: Surroundings,
  path: string,
  error: unknown,
  sessionId?: string,
): void {
  // To write as well comes first: so opening a pipe does not wait.
  const isForbidden = isDenied(error) &&
    (isDenied(tryOpen(path, true)) || isDenied(tryOpen(path, false))) &&
    tryOpen(markerPath(directory), false) === undefined;
  if (!isForbidden) throw error;
  skipped?.add(path);
  warnings.tell({
    type: "not permitted",
    ...(sessionId !== undefined && { sessionId }),
    path,
    error,
    message: `Ignoring ${path}: it may not be opened, since it belongs to ${
      ownerOf(path)
    }; give it to the owner of the directory, or remove it`,
  });
}

function isDenied(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied;
}

/** Returns why a file cannot be opened. */
function tryOpen(path: string, write: boolean): unknown {
  try {
    system.close(system.open(path, { read: true, write }));
    return undefined;
  } catch (error) {
    return error;
  }
}

function ownerOf(path: string): string {
  try {
    return `uid ${system.lstat(path).uid}`;
  } catch {
    // It is in a directory that may not be read either, or gone.
    return "another user";
  }
}
