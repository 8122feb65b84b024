import { Pacer } from "./waiting.ts";
import { system } from "./system.ts";

/** What {@linkcode listFiles} takes. */
export interface ListOptions {
  /** Ends the listing, with the signal's reason. */
  readonly signal: AbortSignal | undefined;
  /** Is told before each pause. */
  readonly onPause?: (() => void) | undefined;
}

/**
 * Streams the names of the files in a directory, and gives the event loop back
 * every few milliseconds, whatever is done with each. Memory does not grow with
 * the directory.
 *
 * @param directory The directory.
 * @param options See there.
 */
export async function* listFiles(
  directory: string,
  options: ListOptions,
): AsyncGenerator<string> {
  const { signal, onPause } = options;
  const pacer = new Pacer(onPause);
  for await (const { name, isFile } of system.readDirectory(directory)) {
    if (pacer.isDue) await pacer.pause();
    signal?.throwIfAborted();
    if (isFile) yield name;
  }
}
