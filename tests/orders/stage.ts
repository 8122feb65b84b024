/*
 * A stage on which several actors run the real store, on a real directory, one
 * system call at a time and in any order.
 *
 * The store's critical sections are synchronous, so an actor cannot be stopped
 * inside one. Instead it is run again from its start each time it is its turn:
 * the calls it has made before are answered from its log, the next one is made
 * for real and added to the log, and the one after that throws. An actor must
 * therefore do the same whenever it gets the same answers; the clock, random
 * numbers and waiting are calls too, or constant, and the one thing that a
 * process remembers of the disk, its recycled file, is given back to it first.
 *
 * Time is a number that only the stage changes.
 */
import { thisProcess } from "../../src/core/revocation.ts";
import { ACCESS_AT, FLAG_AT, UNPUBLISHED } from "../../src/core/codec.ts";
import {
  type RecycledFile,
  recycledFiles,
} from "../../src/directory/atomic_file.ts";
import { thisProcess as locks } from "../../src/directory/request_lock.ts";
import { LockQueue } from "../../src/system/lock_queue.ts";
import { type System, system } from "../../src/system/system.ts";
import { describeIndex } from "../index_state.ts";

/** The instant at which every scene begins, in ms since the epoch. */
export const START = 1_700_000_000_000;

/** What an actor does: an operation of a store or a manager. */
export type Script = () => Promise<unknown>;

interface Entry {
  readonly name: string;
  readonly result: unknown;
  readonly error: unknown;
  /** What `read` put into the buffer. */
  readonly bytes: Uint8Array | undefined;
}

/** How an actor ended. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** How many digits a last access has. */
const DIGITS = 16;

/** What has no state of its own, or is shown in another way. */
const UNSHOWN = [".latchkey", ".users"];

/** One for all: making a stack trace each time takes 5 % of a search. */
const SUSPENSION = new Error("an actor's turn has ended");

/** One actor: its script, and how far it has come. */
export class Actor {
  readonly name: string;
  readonly script: Script;
  /** The call that it makes next, as text. */
  pending = "";
  outcome: Outcome | undefined;
  /** The recycled file that it came with, and the one that it has. */
  readonly firstRecycled: RecycledFile | undefined;
  recycled: RecycledFile | undefined;
  /** When it began and ended, in steps of the stage: which actor was before which. */
  firstStep: number | undefined;
  lastStep = -1;
  /** When the second part of what it does began, if that has two. */
  secondStep: number | undefined;
  /** Where in its log that was. */
  secondAt: number | undefined;
  /** The clock when it began and ended. */
  began = 0;
  ended = 0;
  /** What it knows, in short; actors with equal texts continue equally. */
  known: string[] = [];

  readonly log: Entry[] = [];
  cursor = 0;
  budget = 0;
  isSuspended = false;
  randoms = 0;
  isDead = false;
  openFiles: Set<Deno.FsFile> = new Set();
  failedLockAt = -1;
  /** Where its last two tries began: in its log, and in what it knows. */
  tryAt = -1;
  previousTry = 0;
  lastTry = 0;

  constructor(name: string, script: Script, recycled?: RecycledFile) {
    this.name = name;
    this.script = script;
    this.firstRecycled = recycled;
    if (recycled !== undefined) this.openFiles.add(recycled.file);
  }
}

/** Decides what happens to a call before it is made; may throw instead of it. */
export type Intruder = (actor: Actor, call: string, args: unknown[]) => void;

/** See the top of this file. Only one may be open at a time. */
export class Stage implements Disposable {
  /** The clock, in ms since the epoch. */
  now: number = START;
  /** Whether every call is a turn of its own, also one that no other actor notices. */
  isFineGrained = false;
  /** Whether the clock may tick between two calls. */
  isTicking = false;
  /** Whether listing a directory finds nothing. */
  isBlind = false;
  /** How many calls were made so far. */
  steps = 0;
  readonly directory: string;
  readonly actors: Actor[] = [];

  readonly #real: System = { ...system };
  readonly #getRandomValues = crypto.getRandomValues;
  readonly #labels = new Map<number, string>();
  /** The digits of the last access in each file that was written or touched. */
  readonly #accesses = new Map<number, string>();
  readonly #paths = new WeakMap<Deno.FsFile, string>();
  readonly #mark: (text: string) => unknown;
  #active: Actor | undefined;
  #intruder: Intruder | undefined;

  /**
   * @param directory Where the sessions are; the stage empties it.
   * @param mutate Breaks the system calls in a chosen way, to see that it is
   * noticed; it is given the calls and a way to ask which actor is making one.
   */
  constructor(
    directory: string,
    mutate: (calls: System, actor: () => string) => void = () => {},
  ) {
    this.directory = directory;
    const calls = { ...this.#real };
    calls.removeLater = (path) => {
      this.#real.remove(path);
      return Promise.resolve();
    };
    calls.now = () => this.now;
    calls.wait = () => Promise.resolve();
    mutate(calls, () => this.#active?.name ?? "");
    this.#mark = this.#stageCall("mark", () => undefined);
    this.#install(calls);
  }

  [Symbol.dispose](): void {
    this.clear();
    Object.assign(system, this.#real);
    crypto.getRandomValues = this.#getRandomValues;
  }

  /** Takes every actor off, closes what they left open, empties the directory. */
  clear(): void {
    for (const actor of this.actors) this.kill(actor);
    this.actors.length = 0;
    this.now = START;
    this.steps = 0;
    this.#labels.clear();
    this.#accesses.clear();
    for (const { name } of Deno.readDirSync(this.directory)) {
      Deno.removeSync(`${this.directory}/${name}`, { recursive: true });
    }
  }

  /** Brings an actor on; nothing runs yet but what precedes its first call. */
  async enter(
    name: string,
    script: Script,
    recycled?: RecycledFile,
  ): Promise<Actor> {
    const actor = new Actor(name, script, recycled);
    this.actors.push(actor);
    await this.#run(actor, 0);
    return actor;
  }

  /** A call of the script's own, to stop at: it shows as `mark` and its text. */
  mark(text: string): void {
    this.#mark(text);
  }

  /**
   * Says that what an actor does has two parts, such as to open and to commit:
   * its next call is the first of the second part.
   */
  beginSecondPart(): void {
    const actor = this.#active;
    if (actor !== undefined && !actor.isSuspended) {
      actor.secondAt ??= actor.cursor;
    }
  }

  /** Makes an actor's calls until the next would be one of these, or none is left. */
  async advanceTo(
    actor: Actor,
    isHere: (pending: string) => boolean,
  ): Promise<void> {
    while (actor.outcome === undefined && !isHere(actor.pending)) {
      if (!this.canMove(actor)) throw new Error(`${actor.name} is blocked`);
      await this.advance(actor);
    }
  }

  /** Whether its turn can change anything: not while it waits and no other actor has acted. */
  canMove(actor: Actor): boolean {
    if (actor.isDead || actor.outcome !== undefined) return false;
    return actor.pending !== "wait" || actor.failedLockAt !== this.steps;
  }

  /** Makes an actor's next calls, and what follows up to the one after. */
  async advance(actor: Actor, calls = 1, intruder?: Intruder): Promise<void> {
    if (actor.firstStep === undefined) {
      actor.firstStep = this.steps;
      actor.began = this.now;
    }
    this.#intruder = intruder;
    await this.#run(actor, calls);
    this.#intruder = undefined;
    if (actor.outcome !== undefined && actor.lastStep < 0) {
      actor.lastStep = this.steps;
      actor.ended = this.now;
    }
  }

  /** Ends an actor as SIGKILL does: its files are closed, its locks are free. */
  kill(actor: Actor): void {
    actor.isDead = true;
    // An actor that waits for a lock of the killed one may continue.
    this.steps++;
    for (const file of actor.openFiles) this.#real.close(file);
    actor.openFiles.clear();
  }

  /** All that decides what can still happen, as text. */
  describe(): string {
    const names = [...Deno.readDirSync(this.directory)]
      .map(({ name }) => name).filter((name) => !UNSHOWN.includes(name));
    const files = names.map((name) => {
      const info = Deno.lstatSync(`${this.directory}/${name}`);
      const shown = name.startsWith(".tmp-") ? ".tmp" : name;
      return `${shown}=${this.#label(info)}`;
    }).sort();
    const actors = this.actors.map((actor) => {
      const { name, firstStep, secondStep, lastStep, outcome, isDead } = actor;
      const before = (step: number | undefined) =>
        this.actors.filter(({ lastStep }) =>
          step !== undefined && lastStep >= 0 && lastStep <= step
        ).map((other) => other.name);
      const held = [...actor.openFiles].map((file) =>
        this.#label(this.#real.fstat(file))
      );
      return [
        name,
        isDead ? "dead" : outcome === undefined ? "" : showOutcome(outcome),
        firstStep === undefined ? "-" : `after ${before(firstStep)}`,
        secondStep === undefined ? "-" : `after ${before(secondStep)}`,
        actor.began,
        lastStep < 0 ? "" : actor.ended,
        outcome === undefined && !isDead ? actor.known.join(";") : "",
        actor.failedLockAt === this.steps,
        held,
        this.#labelOf(actor.recycled?.path),
      ].join("|");
    });
    const { entries } = describeIndex(this.directory);
    return [this.now, ...files, ...entries, ...actors].join("\n");
  }

  async #run(actor: Actor, budget: number): Promise<void> {
    actor.cursor = 0;
    actor.budget = budget;
    actor.isSuspended = false;
    actor.randoms = 0;
    actor.pending = "";
    this.#active = actor;
    Object.assign(locks, { turns: new LockQueue(), left: new Map() });
    Object.assign(thisProcess, { id: `process-${actor.name}`, turns: 0 });
    if (actor.firstRecycled !== undefined) {
      recycledFiles.set(this.directory, actor.firstRecycled);
    }
    let outcome: Outcome;
    try {
      outcome = { value: await actor.script() };
    } catch (error) {
      outcome = { error };
    } finally {
      this.#active = undefined;
      actor.recycled = recycledFiles.get(this.directory);
      recycledFiles.delete(this.directory);
    }
    if (!actor.isSuspended) actor.outcome = outcome;
  }

  #install(calls: System): void {
    const staged = { ...calls } as Record<string, unknown>;
    for (const [name, call] of Object.entries(calls)) {
      staged[name] = this.#stageCall(
        name,
        call as (...args: unknown[]) => unknown,
        this.#real[name as keyof System] as (...args: unknown[]) => unknown,
      );
    }
    staged.readDirectory = (path: string) => {
      const read = this.#stageCall(
        "readDirectory",
        // In the same order in each performance.
        (path) =>
          this.isBlind ? [] : [...Deno.readDirSync(path as string)]
            .sort((one, other) => one.name < other.name ? -1 : 1),
      );
      return (async function* () {
        yield* read(path) as Deno.DirEntry[];
      })();
    };
    staged.monotonic = () => this.#noteTry();
    staged.pause = staged.wait;
    staged.random = () => this.#random(16).toHex();
    Object.assign(system, staged);
    crypto.getRandomValues = ((array: Uint8Array) => {
      if (this.#active === undefined) {
        return this.#getRandomValues.call(crypto, array as never);
      }
      array.set(this.#random(array.length));
      return array;
    }) as typeof crypto.getRandomValues;
  }

  #stageCall(
    name: string,
    call: (...args: unknown[]) => unknown,
    offStage: (...args: unknown[]) => unknown = call,
  ): (...args: unknown[]) => unknown {
    return (...args) => {
      const actor = this.#active;
      if (actor === undefined) return offStage(...args);
      if (actor.isSuspended) throw SUSPENSION;
      if (actor.cursor < actor.log.length) {
        return replay(actor.log[actor.cursor++]!, name, args);
      }
      if (!this.#isFree(actor, name, args)) {
        if (actor.budget-- === 0) {
          actor.isSuspended = true;
          actor.pending = name === "wait" ? name : this.#show(name, args);
          throw SUSPENSION;
        }
        // What it does after it found a lock held does not free the lock.
        if (actor.failedLockAt === this.steps) actor.failedLockAt++;
        this.steps++;
      }
      if (actor.cursor === actor.secondAt) {
        actor.secondStep ??= this.steps - 1;
      }
      return this.#make(actor, name, call, args);
    };
  }

  /**
   * Whether a call goes along with the one before it, because no other actor
   * can tell when it is made: it concerns a temporary file, whose name no other
   * knows, or asks whether the directory is there, or goes on with a reading.
   */
  #isFree(actor: Actor, name: string, args: unknown[]): boolean {
    if (name === "close" || name === "rewind") return true;
    if (this.isFineGrained) return false;
    if (name === "read") return actor.log.at(-1)?.name === "read";
    if (name === "open") {
      const isNew = (args[1] as Deno.OpenOptions).createNew ?? false;
      return isNew && (args[0] as string).includes("/.tmp-");
    }
    if (name === "remove" || name === "removeLater") {
      return (args[0] as string).includes("/.tmp-");
    }
    if (name === "now") return !this.isTicking;
    if (name === "stat") return true;
    if (name === "exists" || name === "lstat") {
      return /\/(\.latchkey|\.users|\.users\/..)$/.test(args[0] as string);
    }
    // The time of a lock file, which no other actor reads.
    if (name === "setModified") return this.#isLockFile(args[0]);
    if (name === "write") return this.#isFresh(args[0]);
    return name === "changeMode";
  }

  #isLockFile(file: unknown): boolean {
    const path = this.#paths.get(file as Deno.FsFile) ?? "";
    return path.endsWith("/.latchkey") || path.endsWith("/.lock");
  }

  /** Whether a file was made by the actor at work: no other can have it open. */
  #isFresh(file: unknown): boolean {
    const label = this.#labels.get(this.#real.fstat(file as Deno.FsFile).ino!);
    return label?.endsWith("new") ?? false;
  }

  #make(
    actor: Actor,
    name: string,
    call: (...args: unknown[]) => unknown,
    args: unknown[],
  ): unknown {
    const shown = this.#show(name, args);
    let result: unknown;
    let error: unknown;
    try {
      this.#intruder?.(actor, name, args);
      result = call(...args);
    } catch (thrown) {
      error = thrown;
    }
    const bytes = name === "read" && typeof result === "number"
      ? (args[1] as Uint8Array).slice(0, result)
      : undefined;
    actor.log.push({ name, result, error, bytes });
    actor.cursor++;
    this.#note(actor, name, args, result, error, shown);
    if (error !== undefined) throw error;
    return result;
  }

  #note(
    actor: Actor,
    name: string,
    args: unknown[],
    result: unknown,
    error: unknown,
    shown: string,
  ): void {
    if (name === "open" && error === undefined) {
      const file = result as Deno.FsFile;
      actor.openFiles.add(file);
      this.#paths.set(file, args[0] as string);
      if ((args[1] as Deno.OpenOptions).createNew) {
        this.#labels.set(this.#real.fstat(file).ino!, "new");
      }
    }
    const isWriting = ["write", "overwrite", "truncate"].includes(name);
    if (isWriting && error === undefined) {
      this.#relabel(actor, name, args);
    }
    if (name === "close") actor.openFiles.delete(args[0] as Deno.FsFile);
    if (name === "wait") {
      // The next try begins anew: what the last one found is forgotten.
      actor.known.length = actor.previousTry;
      actor.lastTry = actor.previousTry;
      return;
    }
    if (name === "tryLock" && result === false) {
      // An actor that has a replaced file open finds another at its next try.
      const isStale = !this.#isBehindName(args[0] as Deno.FsFile);
      actor.failedLockAt = isStale ? -1 : this.steps;
    }
    const seen = this.#showResult(result, error);
    actor.known.push(`${shown}:${seen}${this.#showFile(name, args[0])}`);
  }

  #noteTry(): number {
    const actor = this.#active;
    const isNew = actor?.cursor === actor?.log.length &&
      actor?.tryAt !== actor?.log.length;
    if (actor !== undefined && isNew) {
      actor.tryAt = actor.log.length;
      actor.previousTry = actor.lastTry;
      actor.lastTry = actor.known.length;
    }
    return 0;
  }

  #random(length: number): Uint8Array {
    const actor = this.#active;
    if (actor === undefined) {
      const bytes = new Uint8Array(length);
      this.#getRandomValues.call(crypto, bytes);
      return bytes;
    }
    const seed = this.actors.indexOf(actor) * 64 + ++actor.randoms;
    return new Uint8Array(length).fill(seed % 251, 0, length - 1)
      .fill(seed >> 8, length - 1);
  }

  /** Whether the name by which a file was opened still leads to it. */
  #isBehindName(file: Deno.FsFile): boolean {
    try {
      const behind = Deno.lstatSync(this.#paths.get(file)!);
      return behind.ino === this.#real.fstat(file).ino;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Names what a file holds after the actor that has written it, and how far. */
  #relabel(actor: Actor, name: string, args: unknown[]): void {
    const { ino, size } = this.#real.fstat(args[0] as Deno.FsFile);
    const label = this.#labels.get(ino!) ?? "first";
    if (name === "overwrite" && args[1] !== FLAG_AT) {
      this.#noteAccess(ino!, args[1] as number, args[2] as Uint8Array);
    } else if (name === "write") {
      const bytes = args[1] as Uint8Array;
      this.#noteAccess(ino!, 0, bytes);
      const count = actor.known.filter((text) => text.startsWith("write"));
      this.#labels.set(
        ino!,
        actor.name + count.length +
          (bytes[FLAG_AT] === UNPUBLISHED ? "?" : "") +
          (size > bytes.length ? "~" : ""),
      );
    } else {
      this.#labels.set(
        ino!,
        label.replace(name === "truncate" ? "~" : "?", ""),
      );
    }
  }

  /** Notes what was written of a file's last access, maybe a part of its digits. */
  #noteAccess(ino: number, at: number, bytes: Uint8Array): void {
    const digits = new TextDecoder().decode(
      bytes.subarray(Math.max(0, ACCESS_AT - at), ACCESS_AT - at + DIGITS),
    );
    const before = this.#accesses.get(ino) ?? "?".repeat(DIGITS);
    const start = Math.max(0, at - ACCESS_AT);
    const after = before.slice(start + digits.length);
    this.#accesses.set(ino, before.slice(0, start) + digits + after);
  }

  /** What a call learned of a file beside its result. */
  #showFile(name: string, file: unknown): string {
    if (name !== "read" && name !== "fstat") return "";
    const { ino, nlink } = this.#real.fstat(file as Deno.FsFile);
    return name === "read" ? ` of ${this.#labelOfInode(ino!)}` : ` ${nlink}`;
  }

  #labelOf(path: string | undefined): string {
    if (path === undefined) return "no recycled";
    try {
      return this.#label(Deno.lstatSync(path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "collected";
      throw error;
    }
  }

  #label(info: Deno.FileInfo): string {
    return this.#labelOfInode(info.ino!);
  }

  #labelOfInode(ino: number): string {
    const label = this.#labels.get(ino) ?? "first";
    return `${label}@${this.#accesses.get(ino) ?? "first"}`;
  }

  #show(name: string, args: unknown[]): string {
    return [name, ...args.map((arg) => this.#showArgument(arg))].join(" ")
      .trim();
  }

  #showArgument(arg: unknown): string {
    if (typeof arg === "string" && arg.startsWith(this.directory)) {
      const file = arg.slice(this.directory.length + 1);
      return file.startsWith(".tmp-") ? ".tmp" : file;
    }
    return typeof arg === "object" || arg === undefined ? "" : String(arg);
  }

  #showResult(result: unknown, error: unknown): string {
    if (error !== undefined) return (error as Error).name;
    if (result instanceof Deno.FsFile) {
      return this.#label(this.#real.fstat(result));
    }
    if (Array.isArray(result)) {
      return result.map(({ name }) => name).sort().join();
    }
    if (typeof result === "object" && result !== null && "ino" in result) {
      const info = result as Deno.FileInfo;
      return info.isFile ? this.#label(info) : "no file";
    }
    return String(result);
  }
}

function replay(entry: Entry, name: string, args: unknown[]): unknown {
  if (entry.name !== name) {
    throw new Error(`The actor calls ${name} where it called ${entry.name}`);
  }
  if (entry.error !== undefined) throw entry.error;
  if (entry.bytes !== undefined) (args[1] as Uint8Array).set(entry.bytes);
  return entry.result;
}

/** An outcome as text that equal outcomes share. */
export function showOutcome(outcome: Outcome): string {
  return "error" in outcome
    ? `${outcome.error}`
    : JSON.stringify(outcome.value) ?? "undefined";
}
