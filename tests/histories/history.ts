/*
 * A history: the calls of several clients and their answers, in one order.
 *
 * That order comes from no clock. Deno's clocks count from the start of the
 * process, and two of them can only be aligned to within some microseconds,
 * which is the length of an operation. Instead all clients append to one file,
 * opened with O_APPEND: the kernel puts each event after those that are there. A
 * call is appended before it begins, a return after it has ended. So if a return
 * stands before a call, that operation had ended before the other began.
 * Operations that overlap in the file may not have overlapped: the judgement may
 * miss a violation, but never reports a false one.
 *
 * An event is a line of 128 bytes, one `write` that crosses no page: a process
 * that is killed has written all of it or nothing. Its call without a return
 * stays open until another process, which saw its end, appends that.
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
  /** The number of the session; a cleanup has none: it concerns all. */
  readonly session?: number | undefined;
  /** What it writes: a number that no other call writes. */
  readonly value?: number | undefined;
  /** Which secret its request has: 0, or the value that was written with it. */
  readonly secret?: number | undefined;
  /** The absolute end that it writes. */
  readonly expiresAt?: number | undefined;
  /** The idle timeout that it writes. */
  readonly idleTimeout?: number | undefined;
  /** How long an unused session may lie, for a cleanup. */
  readonly minutes?: number | undefined;
}

/** The answer: a value, `null` for no session, or another answer. */
export type Answer = number | boolean | string | null;

/**
 * The answer of a store's operation in a history. For an update, the value that it
 * found: the value that it wrote is known.
 */
export function toldOf(reply: Reply, value: Answer): Answer {
  if (reply === "done") return true;
  return answerOf<Answer>(reply, value, value) ?? null;
}

/** One event of a history. */
export type Event =
  & {
    /** Its number; each client makes one operation after the other. */
    readonly client: number;
    /** The system's clock, in ms since the epoch: a session's time depends on it. */
    readonly at: number;
  }
  & (Call | { readonly answer: Answer } | { readonly death: true });

/** One operation of a history. */
export interface Operation extends Call {
  readonly client: number;
  /** The answer; `undefined` when its process was killed before. */
  readonly answer: Answer | undefined;
  /** The system's clock before the call. */
  readonly began: number;
  /** The system's clock after the return, or after the kill. */
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

  /** @param path The file; it is created if it is missing. */
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
 * Matches calls and returns.
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
      // A client that is killed between two calls leaves no call open.
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
