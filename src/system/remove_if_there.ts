import { system } from "./system.ts";

/**
 * Removes a file that somebody else may be removing too.
 *
 * @returns `false` when it was gone.
 */
export function removeIfThere(path: string): boolean {
  try {
    system.remove(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Removes a temporary file on the way out with an error, which is the one that
 * the caller must hear of. What cannot be removed now, the cleaner collects.
 *
 * @param temporary The file.
 */
export function discard(temporary: string): void {
  try {
    system.remove(temporary);
  } catch {
    // Gone already, or as broken as what brought us here.
  }
}
