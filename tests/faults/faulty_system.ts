import { ACCESS_AT } from "../../src/core/codec.ts";
import { isSessionId } from "../../src/core/token.ts";
import { temporaryBirth } from "../../src/directory/layout.ts";
import { type Call, replaceEveryCall } from "./every_call.ts";

/** How a call fails. */
export type Manner =
  /** It is not made. */
  | "instead"
  /** It is made, and reported to have failed. */
  | "afterwards"
  /** It is not made, and neither is any that follows: the medium has failed. */
  | "from then on";

/** A call that fails. */
export interface Fault {
  /** Which call of those that can fail, from 1. */
  readonly step: number;
  readonly manner: Manner;
  /** Makes the error that the call throws. */
  readonly makeError: () => Error;
}

/** Calls that never fail: closing, in Deno; unlocking, without a medium. */
const NEVER_FAIL = new Set(["close"]);
const NEED_NO_MEDIUM = new Set(["unlock"]);

/** A system that fails once, or from a call on, and records its calls. */
export class FaultySystem implements Disposable {
  /** The errors that were thrown; empty when there was no such step. */
  readonly thrown: Error[] = [];
  /** The call that failed first, as `rename temporary to session`. */
  failed = "";
  /** Whether any call that changes a session took effect. */
  isChanged = false;
  /** Whether one did before the call that failed first. */
  wasChanged = false;
  /** Files that are open. */
  readonly open: Set<unknown>;
  /**
   * Files that were closed before they were unlocked; not those that were only
   * read, under the shared lock of a session.
   */
  readonly closedLocked: string[] = [];

  readonly #fault: Fault;
  readonly #locked = new Set<unknown>();
  readonly #sessions = new Set<unknown>();
  readonly #replaced: Disposable;
  #steps = 0;

  /** The number of calls so far that can fail. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * @param fault The call that fails, and how.
   * @param open Files that are open already.
   */
  constructor(fault: Fault, open: Iterable<unknown> = []) {
    this.#fault = fault;
    this.open = new Set(open);
    this.#replaced = replaceEveryCall((call) => this.#act(call));
  }

  [Symbol.dispose](): void {
    this.#replaced[Symbol.dispose]();
  }

  #act(call: Call): unknown {
    if (NEVER_FAIL.has(call.name)) return this.#make(call);
    const { step, manner } = this.#fault;
    const now = ++this.#steps;
    if (now === step) {
      this.failed = describeCall(call);
      this.wasChanged = this.isChanged;
      if (manner === "afterwards") return this.#makeAndFail(call);
      return this.#fail(call);
    }
    const isGone = now > step && manner === "from then on" &&
      !NEED_NO_MEDIUM.has(call.name);
    return isGone ? this.#fail(call) : this.#make(call);
  }

  #make(call: Call): unknown {
    const result = call.make();
    const [first] = call.args;
    switch (call.name) {
      case "open":
        this.open.add(result);
        if (isSession(first)) this.#sessions.add(result);
        break;
      case "tryLock":
        if (result === true && !this.#isRead(call)) this.#locked.add(first);
        break;
      case "unlock":
        this.#locked.delete(first);
        break;
      case "close":
        this.open.delete(first);
        if (this.#locked.has(first)) this.closedLocked.push(this.failed);
        break;
      case "link":
      case "remove":
        if (isSession(call.args.at(-1))) this.isChanged = true;
        break;
      case "rename":
        if (!call.args.every(isTemporary)) this.isChanged = true;
        break;
      case "overwrite":
        // A touch; the flag of a recycled file changes nothing.
        if (call.args[1] === ACCESS_AT) this.isChanged = true;
    }
    return result;
  }

  #isRead({ args: [file, exclusive] }: Call): boolean {
    return !exclusive && this.#sessions.has(file);
  }

  #makeAndFail(call: Call): unknown {
    if (call.name === "readDirectory") {
      const entries = call.make() as AsyncIterable<Deno.DirEntry>;
      const fail = () => this.#throw();
      return (async function* () {
        yield* entries;
        fail();
      })();
    }
    const result = this.#make(call);
    // The caller does not get the file, or does not know that it has the lock.
    if (call.name === "open") {
      (result as Deno.FsFile).close();
      this.open.delete(result);
    }
    if (call.name === "tryLock") this.#locked.delete(call.args[0]);
    this.#throw();
  }

  #fail(call: Call): unknown {
    // A directory that cannot be read fails when it is read, not when it is opened.
    if (call.name === "readDirectory") {
      const fail = () => this.#throw();
      // deno-lint-ignore require-yield
      return (async function* () {
        fail();
      })();
    }
    if (call.name === "unlock") this.#locked.delete(call.args[0]);
    this.#throw();
  }

  #throw(): never {
    const error = this.#fault.makeError();
    this.thrown.push(error);
    throw error;
  }
}

/** Whether a path may be a session's: its name is an ID, and it is not in the index of users. */
function isSession(path: unknown): boolean {
  const text = String(path);
  return isSessionId(text.split("/").at(-1)) && !text.includes("/.users/");
}

function isTemporary(path: unknown): boolean {
  const name = String(path).split("/").at(-1)!;
  return temporaryBirth(name) !== undefined;
}

function describeCall({ name, args }: Call): string {
  const paths = args.filter((arg) => typeof arg === "string").map((path) =>
    isTemporary(path) ? "temporary" : path.split("/").at(-1)
  );
  return [name, paths.join(" to ")].join(" ").trim();
}
