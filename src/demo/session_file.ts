import { sessionPath } from "../directory/layout.ts";

/** A session's file as it is on disk. */
export interface SessionFile {
  /** Where it is. */
  readonly path: string;
  /** Who may do what with it, such as `0600`. */
  readonly mode: string;
  /** How many bytes it has. */
  readonly size: number;
  /** All that is in it. */
  readonly content: string;
}

/**
 * Reads a session's file past the store, for people to look at.
 *
 * @param directory The directory of sessions.
 * @param id A session ID.
 * @returns The file, or `undefined` when there is none.
 */
export async function readSessionFile(
  directory: string,
  id: string,
): Promise<SessionFile | undefined> {
  const path = sessionPath(directory, id);
  try {
    const bytes = await Deno.readFile(path);
    const { mode } = await Deno.lstat(path);
    return {
      path,
      mode: ((mode ?? 0) & 0o777).toString(8).padStart(4, "0"),
      size: bytes.length,
      content: new TextDecoder().decode(bytes),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
