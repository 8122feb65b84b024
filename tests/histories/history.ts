/*
 * A history: what several clients called, and what they were answered, in an
 * order that all of them can be held to.
 *
 * No clock stands behind that order. Deno's clocks count from the start of the
 * process, and to bring two of them together takes a guess of some
 * microseconds, which is the length of an operation. Instead all clients append
 * to one file, opened with O_APPEND: the kernel puts each event behind those
 * that are there. A call is appended before it begins, a return after it has
 * ended. So when a return stands before a call, the one had ended before the
 * other began; operations that the file shows as overlapping may have been
 * apart by a hair, and are then judged too mildly, never too hard.
 *
 * An event is a line of 128 bytes, one `write` that crosses no page: a process
 * killed in between has written all of it or nothing. What it called and did
 * not return from stays open until another process that saw its end appends that.
 */

import {
  answerOf,
  type Reply,
  type StoreOperationName,
} from "../operations.ts";

/** What can be done to a session. */
export type Act =
  | Exclude<StoreOperationName, "update that deletes">
  | "cleanup"
  | "open"
  | "commit"
  | "regenerate"
  | "destroy";

/** The call of an operation. */
export interface Call {
  readonly call: Act;
  /** Which session; a cleanup has none: it concerns all. */
  readonly session?: number | undefined;
  /** What it writes: a number that no other call writes. */
  readonly value?: number | undefined;
  /** Which secret it comes with: 0, or the value that was written with it. */
  readonly secret?: number | undefined;
  /** The absolute end that it writes. */
  readonly expiresAt?: number | undefined;
  /** The idle timeout that it writes. */
  readonly idleTimeout?: number | undefined;
  /** How long an unused session may lie, for a cleanup. */
  readonly minutes?: number | undefined;
}

/** What was answered: a value, `null` for none, or another answer. */
export type Answer = number | boolean | string | null;

/**
 * What a store's answer is called. An update's is what it found: what it left
 * is known, as it wrote that.
 */
export function toldOf(reply: Reply, value: Answer): Answer {
  if (reply === "done") return true;
  return answerOf<Answer>(reply, value, value) ?? null;
}

/** One event of a history. */
export type Event =
  & {
    /** Its number; each does one thing after the other. */
    readonly client: number;
    /** The system's clock, in ms since the epoch: a session's time depends on it. */
    readonly at: number;
  }
  & (Call | { readonly answer: Answer } | { readonly death: true });

/** One operation of a history. */
export interface Operation extends Call {
  readonly client: number;
  /** The answer; `undefined` when its process died before it came. */
  readonly answer: Answer | undefined;
  /** The system's clock before the call. */
  readonly began: number;
  /** The system's clock after the return, or after the death. */
  readonly ended: number;
}

/** A call or a return, as it stands in the history. */
export interface Step {
  readonly isCall: boolean;
  readonly operation: Operation;
}

const LINE = 128;

/** A history that is being written; all clients have the same file open. */
export class HistoryWriter implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #line = new Uint8Array(LINE);
  readonly #encoder = new TextEncoder();

  /** @param path The file, which need not be there. */
  constructor(path: string) {
    this.#file = Deno.openSync(path, { append: true, create: true });
  }

  /** Appends an event. */
  append(event: Event): void {
    const text = JSON.stringify(event);
    const { read, written } = this.#encoder.encodeInto(text, this.#line);
    if (read < text.length || written >= LINE) {
      throw new RangeError(`Cannot append an event: too long: ${text}`);
    }
    this.#line.fill(0x20, written, LINE - 1);
    this.#line[LINE - 1] = 0x0a;
    const length = this.#file.writeSync(this.#line);
    if (length !== LINE) throw new Error("Cannot append an event: cut off");
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads the events of a history, in its order. */
export function readEvents(path: string): Event[] {
  return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/**
 * Brings calls and returns together.
 *
 * @param events A history.
 * @returns Its steps, in the same order.
 */
export function pairSteps(events: readonly Event[]): Step[] {
  const ends = new Map<number, Event>();
  const nextEnd = new Array<Event | undefined>(events.length);
  for (let at = events.length - 1; at >= 0; at--) {
    const event = events[at]!;
    if ("call" in event) nextEnd[at] = ends.get(event.client);
    else ends.set(event.client, event);
  }
  const open = new Map<number, Operation>();
  const steps: Step[] = [];
  for (const [at, event] of events.entries()) {
    const { client } = event;
    if ("call" in event) {
      const end = nextEnd[at];
      if (end === undefined || open.has(client)) {
        throw new Error(`Cannot read a history: ${client} has no return`);
      }
      const answer = "answer" in end ? end.answer : undefined;
      const { at: began, ...call } = event;
      const operation = { ...call, answer, began, ended: end.at };
      open.set(client, operation);
      steps.push({ isCall: true, operation });
    } else {
      const operation = open.get(client);
      // A client that dies between two calls leaves nothing open.
      if (operation === undefined && "death" in event) continue;
      if (operation === undefined) {
        throw new Error(`Cannot read a history: ${client} has no call`);
      }
      open.delete(client);
      steps.push({ isCall: false, operation });
    }
  }
  return steps;
}
