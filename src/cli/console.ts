import { ProgressLine, type TextOutput, writeText } from "./terminal.ts";

/** What a command reads and writes. */
export interface Streams {
  /** Its standard input. */
  readonly stdin: ReadableStream<Uint8Array>;
  /** Its standard output. */
  readonly stdout: TextOutput;
  /** Where messages and progress go. */
  readonly stderr: TextOutput;
}

/** The streams of this process; a bundler may load this module in Node, too. */
export const SYSTEM: Streams = {
  get stdin() {
    return Deno.stdin.readable;
  },
  get stdout() {
    return Deno.stdout;
  },
  get stderr() {
    return Deno.stderr;
  },
};

const FULL = 32 * 1024;
const MS_PER_SECOND = 1000;
/** Characters that move the cursor, or hide what stands there. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * What a command prints: results on stdout, messages on stderr, and one line of
 * progress where stderr is a terminal. Disposing writes what is still held.
 */
export class Console implements Disposable {
  readonly #streams: Streams;
  readonly #line: ProgressLine;
  readonly #now: () => number;
  #held = "";
  #progressSince: number | undefined;

  /**
   * @param streams Where to read and write.
   * @param now Tells the time, in ms from any start.
   */
  constructor(
    streams: Streams,
    now: () => number = () => performance.now(),
  ) {
    this.#streams = streams;
    this.#line = new ProgressLine(streams.stderr, now);
    this.#now = now;
  }

  /** What a command reads. */
  get stdin(): ReadableStream<Uint8Array> {
    return this.#streams.stdin;
  }

  /** Whether progress is shown. */
  get showsProgress(): boolean {
    return this.#streams.stderr.isTerminal();
  }

  /** Whether results go to a terminal. */
  get isTerminal(): boolean {
    return this.#streams.stdout.isTerminal();
  }

  /**
   * Prints a line of the result, or some, as a terminal may show them; JSON stays
   * what it means.
   *
   * @throws {Deno.errors.BrokenPipe} If nothing reads it any more.
   */
  print(line: string): void {
    this.printExactly(printable(line, "\n"));
  }

  /** Prints a line as it is. */
  printExactly(line: string): void {
    this.#held += `${line}\n`;
    if (this.isTerminal || this.#held.length >= FULL) this.flush();
  }

  /** Prints the result as one line of JSON, or as text. */
  printResult(isJson: boolean, result: object, text: string): void {
    this.print(isJson ? JSON.stringify(result) : text);
  }

  /** Prints a message, which may be about anything, on stderr. */
  tell(message: string): void {
    this.flush();
    this.#line.erase();
    writeText(
      this.#streams.stderr,
      `${printable(hidePasswords(message), "\n")}\n`,
    );
  }

  /**
   * Shows how far a command has come, and how fast it is.
   *
   * @param done How many it has done.
   * @param what Of what, with what else is to be said.
   * @param total How many there were at the beginning, where that is known.
   */
  showProgress(done: number, what: string, total?: number): void {
    const now = this.#now();
    this.#progressSince ??= now;
    if (!this.#line.isDue) return;
    const seconds = (now - this.#progressSince) / MS_PER_SECOND;
    const rate = seconds < 1
      ? ""
      : `, ${withCommas(Math.round(done / seconds))}/s`;
    const of = total === undefined ? "" : ` of ${withCommas(total)}`;
    this.#line.show(`${withCommas(done)}${of} ${what}${rate}`);
  }

  /** Erases the progress, and begins to measure anew. */
  endProgress(): void {
    this.#line.erase();
    this.#progressSince = undefined;
  }

  /** Writes what is held. */
  flush(): void {
    const text = this.#held;
    this.#held = "";
    if (text === "") return;
    if (this.isTerminal) this.#line.erase();
    writeText(this.#streams.stdout, text);
  }

  /** Writes what is held, and erases the progress. */
  [Symbol.dispose](): void {
    this.endProgress();
    this.flush();
  }
}

const COMMAS = new Intl.NumberFormat("en-US");

/** Writes a number as 12,345. */
export function withCommas(count: number): string {
  return COMMAS.format(count);
}

/**
 * Returns a text that a terminal shows as it is: what would move the cursor, turn
 * the direction of writing, or begin a line is written as `\\u001b`.
 *
 * @param text Any text at all: a client may have chosen it.
 * @param kept Characters that may stay.
 */
export function printable(text: string, kept = ""): string {
  return text.replace(
    UNPRINTABLE,
    (character) => kept.includes(character) ? character : escaped(character),
  );
}

/** Escapes a character as JSON does. */
function escaped(character: string): string {
  return [...Array(character.length).keys()].map((n) =>
    `\\u${character.charCodeAt(n).toString(16).padStart(4, "0")}`
  ).join("");
}

/** What comes before a password in a URL, also in a mistyped one, and in its query. */
const PASSWORD =
  /\b(?!(?:npm|jsr|node):)([a-z][a-z0-9+.-]*:\/{0,2}[^\s:/]*):.*@/gi;
const PASSWORD_PARAMETER = /([?&]password=)[^\s&]*/gi;

/** Returns a text without the passwords in its URLs. */
export function hidePasswords(text: string): string {
  return text.replace(PASSWORD, "$1:***@").replace(
    PASSWORD_PARAMETER,
    "$1***",
  );
}

/** Says why a command failed, in lines that any terminal may show. */
export function reasonOf(error: unknown): string {
  // Of several tries to connect, each with its own error.
  const first = error instanceof AggregateError && error.message === ""
    ? error.errors[0]
    : error;
  const message = first instanceof Error ? first.message : String(first);
  return printable(hidePasswords(message), "\n");
}
