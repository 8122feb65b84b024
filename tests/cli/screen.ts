import type { Streams } from "../../src/cli/console.ts";

/** What a command writes to, in this process. */
export class Screen {
  /** What was written. */
  text = "";
  readonly #isTerminal: boolean;
  readonly #decoder = new TextDecoder();

  /** @param isTerminal Whether it is one, and not a file. */
  constructor(isTerminal: boolean) {
    this.#isTerminal = isTerminal;
  }

  isTerminal(): boolean {
    return this.#isTerminal;
  }

  /** Takes a few bytes at a time, as a terminal may. */
  writeSync(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, 7);
    this.text += this.#decoder.decode(taken, { stream: true });
    return taken.length;
  }
}

/** Streams of a command, with nothing to read. */
export interface Screens extends Streams {
  readonly stdout: Screen;
  readonly stderr: Screen;
}

/** Makes the streams of a command, in a terminal or in files. */
export function makeScreens(isTerminal = false): Screens {
  return {
    stdin: ReadableStream.from<Uint8Array>([]),
    stdout: new Screen(isTerminal),
    stderr: new Screen(isTerminal),
  };
}
