/** Judges the history of a directory of sessions, and describes what is wrong. */

import { SESSION_MODEL, type State } from "./abstract_session.ts";
import { IDS } from "./flow.ts";
import { type Event, type Operation, pairSteps, type Step } from "./history.ts";
import { checkHistory, shorten, type Violation } from "./linearizability.ts";

/** The result of a judgement. */
export interface Judgement {
  /** How many operations there were. */
  readonly operations: number;
  /** How many of them never returned, because their process was killed. */
  readonly unanswered: number;
  /** How many states the search for an order went through. */
  readonly explored: number;
  /** The most operations that one session had at a time. */
  readonly widest: number;
  /** The part that no order explains, as text; `undefined` when one order explains all. */
  readonly violation: string | undefined;
}

/**
 * Judges a history, session by session.
 *
 * @param events All that happened.
 * @returns The result, up to the first violation.
 */
export function judge(events: readonly Event[]): Judgement {
  const steps = pairSteps(events);
  const calls = steps.filter(({ isCall }) => isCall);
  let explored = 0;
  let widest = 0;
  let violation: string | undefined;
  for (const [session, id] of IDS.entries()) {
    const verdict = checkHistory(SESSION_MODEL, stepsOf(session, steps));
    explored += verdict.explored;
    widest = Math.max(widest, verdict.widest);
    if (verdict.violation !== undefined) {
      violation = `session ${id}\n${tellViolation(verdict.violation)}`;
      break;
    }
  }
  return {
    operations: calls.length,
    unanswered:
      calls.filter(({ operation }) => operation.answer === undefined).length,
    explored,
    widest,
    violation,
  };
}

/** The history of one session; a cleanup belongs to each that it can change. */
function stepsOf(session: number, steps: readonly Step[]): Step[] {
  return steps.filter(({ operation }) =>
    operation.call === "cleanup"
      ? operation.minutes === 0 && operation.answer !== 0
      : operation.session === session
  );
}

/** Describes the shortest part of a history that no order explains. */
export function tellViolation(
  violation: Violation<State, Operation>,
): string {
  const { before, steps } = shorten(SESSION_MODEL, violation, mayChange);
  const began = Math.min(...steps.map(({ operation }) => operation.began));
  return [
    `  before it: ${
      before.map((state) => tellState(state, began)).join(", or ")
    }`,
    ...steps.map((step) => `  ${tellStep(step, began)}`),
    "  … which no order explains",
  ].join("\n");
}

/** Whether an operation may have changed anything but the last access. */
function mayChange({ call, answer }: Operation): boolean {
  const isAnsweredNo = answer === null || answer === false ||
    answer === "refused";
  return !["load", "has", "open"].includes(call) && !isAnsweredNo;
}

function tellStep({ isCall, operation }: Step, began: number): string {
  const at = (isCall ? operation.began : operation.ended) - began;
  const what = isCall ? tellCall(operation, began) : tellReturn(operation);
  return `${String(at).padStart(4)} ms  client ${operation.client}: ${what}`;
}

function tellCall(operation: Operation, began: number): string {
  const { call, value, secret, expiresAt, idleTimeout, minutes } = operation;
  const expiresIn = expiresAt === undefined ? undefined : expiresAt - began;
  const details = { value, secret, expiresIn, idleTimeout, minutes };
  return Object.entries(details)
    .filter(([_, number]) => number !== undefined)
    .reduce((text, [name, number]) => `${text} ${name}=${number}`, `${call}`);
}

function tellReturn({ call, answer }: Operation): string {
  return answer === undefined
    ? `${call}, was killed`
    : `${call} → ${JSON.stringify(answer)}`;
}

function tellState(state: State, began: number): string {
  if (state === undefined) return "no session";
  const { value, secret, expiresAt, idleTimeout } = state;
  return [
    value,
    ...secret === 0 ? [] : [`secret=${secret}`],
    ...expiresAt === Infinity ? [] : [`expiresIn=${expiresAt - began}`],
    ...idleTimeout === Infinity ? [] : [`idleTimeout=${idleTimeout}`],
  ].join(" ");
}
