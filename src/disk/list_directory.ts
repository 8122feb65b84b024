import { system } from "./system.ts";

const LONGEST_SLICE = 3;

/** What {@linkcode listFiles} takes. */
export interface ListOptions {
  /** Ends the listing, with the signal's reason. */
  readonly signal: AbortSignal | undefined;
  /** Is told before each pause. */
  readonly onPause?: (() => void) | undefined;
}

/**
 * Streams the names of the files in a directory, and gives the event loop back
 * every few milliseconds, whatever is done with each: a directory of a million
 * sessions must not stop a server. Memory does not grow with the directory.
 *
 * @param directory The directory.
 * @param options See there.
 */
export async function* listFiles(
  directory: string,
  options: ListOptions,
): AsyncGenerator<string> {
  const { signal, onPause } = options;
  let sliceEnd = system.monotonic() + LONGEST_SLICE;
  for await (const { name, isFile } of system.readDirectory(directory)) {
    if (system.monotonic() >= sliceEnd) {
      onPause?.();
      await system.pause();
      sliceEnd = system.monotonic() + LONGEST_SLICE;
    }
    signal?.throwIfAborted();
    if (isFile) yield name;
  }
}
