/*
 * The specification: one abstract session, and each operation one step on it.
 * `tests/orders/scenes.ts` says the same of the stage's sessions, where time is
 * a number of ticks; here it is the machine's clock, so an event is only known
 * to lie between two instants.
 *
 * A value is a number that is written once, and a writer that reads answers
 * what it found: a lost update, a stale read and a revived session each leave
 * answers that no order of the operations explains.
 */
import {
  type Effect,
  type Fate,
  REQUESTS,
  STORE_OPERATIONS,
} from "../operations.ts";
import type { Model } from "./linearizability.ts";
import { type Operation, toldOf } from "./history.ts";

/** A session that was live at the last operation. */
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

/** `undefined` when there is no session; an expired session never comes back. */
export type State = AbstractSession | undefined;

/** The effect of operations on one session, for the checker. */
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
  if (state === undefined || mayHaveExpired(state, operation)) {
    found.push(onNone(operation));
  }
  return found;
}

function mayBeLive(state: AbstractSession, { began }: Operation): boolean {
  return began < state.expiresAt &&
    began < state.accessedTo + state.idleTimeout;
}

function mayHaveExpired(state: AbstractSession, { ended }: Operation): boolean {
  return ended >= state.expiresAt ||
    ended >= state.accessedFrom + state.idleTimeout;
}

function onLive(state: AbstractSession, operation: Operation): Outcome[] {
  const { call } = operation;
  switch (call) {
    case "cleanup": {
      // A session without a lifetime is deleted after that many minutes: none.
      const hasOwn = state.expiresAt < Infinity || state.idleTimeout < Infinity;
      const goes = !hasOwn && operation.minutes === 0;
      return goes ? [{ next: undefined, answer: undefined }] : [];
    }
    case "open":
      return operation.secret === state.secret
        ? [{ next: mayTouch(state, operation), answer: state.value }]
        : [{ next: state, answer: null }];
    case "commit":
    case "regenerate":
    case "destroy":
      return operation.secret === state.secret
        ? [committed(call, state, operation)]
        : [{ next: state, answer: "refused" }];
    default:
      return [outcomeOf(STORE_OPERATIONS[call].live, state, operation)];
  }
}

function onNone(operation: Operation): Outcome {
  const { call } = operation;
  const none = { next: undefined };
  switch (call) {
    case "cleanup":
      return { ...none, answer: undefined };
    case "open":
    case "destroy":
      return { ...none, answer: null };
    case "commit":
    case "regenerate":
      return { ...none, answer: "refused" };
    default:
      return outcomeOf(STORE_OPERATIONS[call].missing, undefined, operation);
  }
}

/** What a store's operation does, as the table of operations says. */
function outcomeOf(
  { fate, reply }: Effect,
  state: State,
  operation: Operation,
): Outcome {
  const next: Readonly<Record<Fate, () => State>> = {
    kept: () => state,
    accessed: () => touch(state!, operation),
    replaced: () => written(operation),
    changed: () => rewrite(state!, operation),
    deleted: () => undefined,
  };
  return { next: next[fate](), answer: toldOf(reply, state?.value ?? null) };
}

function touch(
  state: AbstractSession,
  { began, ended }: Operation,
): AbstractSession {
  return { ...state, accessedFrom: began, accessedTo: ended };
}

/** A request touches a session when a tenth of its idle timeout has passed. */
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

/** Its last access is the clock when it was written, not when it got its name. */
function rewrite(
  state: AbstractSession,
  { value, began, ended }: Operation,
): AbstractSession {
  return {
    ...state,
    value: value!,
    accessedFrom: began,
    accessedTo: ended,
  };
}

function committed(
  call: "commit" | "regenerate" | "destroy",
  state: AbstractSession,
  operation: Operation,
): Outcome {
  const { fate, isRenewed } = REQUESTS[call];
  if (fate === "deleted") return { next: undefined, answer: true };
  const next = rewrite(state, operation);
  const secret = isRenewed ? next.value : next.secret;
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
    accessedFrom: began,
    accessedTo: ended,
  };
}
