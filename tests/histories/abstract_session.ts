/*
 * The specification: one abstract session, and each operation one step on it.
 * `tests/orders/scenes.ts` says the same of the stage's sessions, where time is
 * a number of ticks; here it is the machine's, so it is only known between
 * which instants a thing happened.
 *
 * A value is a number that nobody else writes, and a writer that reads answers
 * what it found: a lost update, a stale read and a revived session each leave
 * answers that no order of the operations explains.
 */
import type { Model } from "./linearizability.ts";
import type { Operation } from "./history.ts";

/** A session that was live when it was last heard of. */
export interface AbstractSession {
  readonly value: number;
  /** Which secret opens it: 0, or the value that was written with it. */
  readonly secret: number;
  readonly expiresAt: number;
  readonly idleTimeout: number;
  /** The last access lies between these, in ms since the epoch. */
  readonly accessedFrom: number;
  readonly accessedTo: number;
}

/** `undefined` when there is none; one that is over is none, for good. */
export type State = AbstractSession | undefined;

/**
 * How far a new file's mtime may lie behind the system's clock, in ms: a kernel
 * keeps it by the tick of a timer, and a virtual machine's may come late.
 */
const COARSENESS = 100;

/** What operations do to one session, for the checker. */
export const SESSION_MODEL: Model<State, Operation> = {
  start: undefined,
  identify: (state) =>
    state === undefined
      ? ""
      : `${state.value} ${state.secret} ${
        state.expiresAt < Infinity ? state.expiresAt : ""
      } ${
        state.idleTimeout < Infinity
          ? `${state.idleTimeout} ${state.accessedFrom} ${state.accessedTo}`
          : ""
      }`,
  step: (state, operation) =>
    outcomes(state, operation)
      .filter(({ answer }) =>
        operation.answer === undefined || answer === undefined ||
        operation.answer === answer
      )
      .map(({ next }) => next),
  isOptional: ({ call, answer }) => answer === undefined || call === "cleanup",
};

interface Outcome {
  readonly next: State;
  /** `undefined` when it may answer anything. */
  readonly answer: Operation["answer"];
}

/** What an operation may do, and answer. */
function outcomes(state: State, operation: Operation): Outcome[] {
  const found: Outcome[] = [];
  if (state !== undefined && mayBeLive(state, operation)) {
    found.push(...onLive(state, operation));
  }
  if (state === undefined || mayBeOver(state, operation)) {
    found.push(onNone(operation));
  }
  return found;
}

function mayBeLive(state: AbstractSession, { began }: Operation): boolean {
  return began < state.expiresAt &&
    began < state.accessedTo + state.idleTimeout;
}

function mayBeOver(state: AbstractSession, { ended }: Operation): boolean {
  return ended >= state.expiresAt ||
    ended >= state.accessedFrom + state.idleTimeout;
}

function onLive(state: AbstractSession, operation: Operation): Outcome[] {
  const { value } = state;
  switch (operation.call) {
    case "load":
      return [{ next: state, answer: value }];
    case "load+touch":
      return [{ next: touch(state, operation), answer: value }];
    case "touch":
      return [{ next: touch(state, operation), answer: true }];
    case "has":
      return [{ next: state, answer: true }];
    case "save":
      return [{ next: written(operation), answer: true }];
    case "create":
      return [{ next: state, answer: false }];
    case "update":
      return [{ next: rewrite(state, operation), answer: value }];
    case "delete":
      return [{ next: undefined, answer: true }];
    case "cleanup": {
      // Without a lifetime of its own it is old after that many minutes: none.
      const hasOwn = state.expiresAt < Infinity || state.idleTimeout < Infinity;
      const goes = !hasOwn && operation.minutes === 0;
      return goes ? [{ next: undefined, answer: undefined }] : [];
    }
    case "open":
      return operation.secret === state.secret
        ? [{ next: mayTouch(state, operation), answer: value }]
        : [{ next: state, answer: null }];
    case "commit":
    case "regenerate":
    case "destroy":
      return operation.secret === state.secret
        ? [committed(state, operation)]
        : [{ next: state, answer: "refused" }];
  }
}

function onNone(operation: Operation): Outcome {
  const none = { next: undefined };
  switch (operation.call) {
    case "save":
    case "create":
      return { next: written(operation), answer: true };
    case "touch":
    case "has":
    case "delete":
      return { ...none, answer: false };
    case "cleanup":
      return { ...none, answer: undefined };
    case "commit":
    case "regenerate":
      return { ...none, answer: "refused" };
    case "load":
    case "load+touch":
    case "update":
    case "open":
    case "destroy":
      return { ...none, answer: null };
  }
}

function touch(
  state: AbstractSession,
  { began, ended }: Operation,
): AbstractSession {
  return { ...state, accessedFrom: began, accessedTo: ended };
}

/** A request touches a session when a tenth of its idle timeout has gone by. */
function mayTouch(
  state: AbstractSession,
  { began, ended }: Operation,
): AbstractSession {
  const { accessedFrom, idleTimeout } = state;
  return {
    ...state,
    accessedFrom: Math.max(accessedFrom, began - idleTimeout / 10),
    accessedTo: ended,
  };
}

/** A file's mtime is when it was written, not when it got its name. */
function rewrite(
  state: AbstractSession,
  { value, began, ended }: Operation,
): AbstractSession {
  const accessedFrom = began - COARSENESS;
  return { ...state, value: value!, accessedFrom, accessedTo: ended };
}

function committed(state: AbstractSession, operation: Operation): Outcome {
  if (operation.call === "destroy") return { next: undefined, answer: true };
  const next = rewrite(state, operation);
  const secret = operation.call === "regenerate" ? next.value : next.secret;
  return { next: { ...next, secret }, answer: state.value };
}

function written(operation: Operation): AbstractSession {
  const { value, began, ended } = operation;
  const { expiresAt = Infinity, idleTimeout = Infinity } = operation;
  return {
    value: value!,
    secret: 0,
    expiresAt,
    idleTimeout,
    accessedFrom: began - COARSENESS,
    accessedTo: ended,
  };
}
