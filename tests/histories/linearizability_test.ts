/** Tests the checker: on small histories, good and bad, and against a slower one. */

import fc from "npm:fast-check@4.11.0";
import { assert, assertEquals } from "@std/assert";
import { search } from "../search.ts";
import { SESSION_MODEL, type State } from "./abstract_session.ts";
import {
  type Act,
  type Answer,
  type Call,
  type Event,
  type Operation,
  pairSteps,
} from "./history.ts";
import { judge } from "./judgement.ts";
import { checkHistory, shorten, type Step } from "./linearizability.ts";

/** Calls by name; each returns the event of client `client`. */
function call(client: number, act: Act, rest: Partial<Call> = {}): Event {
  const session = act === "cleanup" ? undefined : 0;
  return { client, at: 0, call: act, session, ...rest };
}

function back(client: number, answer: Answer): Event {
  return { client, at: 0, answer };
}

function death(client: number): Event {
  return { client, at: 0, death: true };
}

/** One operation that nothing overlaps. */
function whole(
  client: number,
  act: Act,
  answer: Answer,
  rest: Partial<Call> = {},
): Event[] {
  return [call(client, act, rest), back(client, answer)];
}

/** The same events at a later time. */
function later(at: number, ...events: Event[]): Event[] {
  return events.map((event) => ({ ...event, at }));
}

const SAVED = whole(1, "save", true, { value: 1 });

const GOOD: Readonly<Record<string, readonly Event[]>> = {
  "an empty history": [],
  "operations one after the other": [
    ...whole(1, "create", true, { value: 1 }),
    ...whole(2, "update", 1, { value: 2 }),
    ...whole(1, "load", 2),
    ...whole(2, "delete", true),
    ...whole(1, "load", null),
  ],
  "a read during a write that sees the new value": [
    ...SAVED,
    call(1, "save", { value: 2 }),
    ...whole(2, "load", 2),
    back(1, true),
  ],
  "a read during a write that sees the old value": [
    ...SAVED,
    call(1, "save", { value: 2 }),
    ...whole(2, "load", 1),
    back(1, true),
  ],
  "two reads during a write, the second of which sees the new value": [
    ...SAVED,
    call(1, "save", { value: 2 }),
    ...whole(2, "load", 1),
    ...whole(3, "load", 2),
    back(1, true),
  ],
  "two updates at once, one of which builds on the other": [
    ...SAVED,
    call(1, "update", { value: 2 }),
    call(2, "update", { value: 3 }),
    back(1, 3),
    back(2, 1),
  ],
  "two creates, of which one wins": [
    call(1, "create", { value: 1 }),
    call(2, "create", { value: 2 }),
    back(1, false),
    back(2, true),
  ],
  "a killed write that took effect": [
    ...SAVED,
    call(2, "save", { value: 2 }),
    death(2),
    ...whole(1, "load", 2),
  ],
  "a killed write that had no effect": [
    ...SAVED,
    call(2, "save", { value: 2 }),
    death(2),
    ...whole(1, "load", 1),
  ],
  "a killed write that took effect right before the kill": [
    ...SAVED,
    call(2, "delete"),
    ...whole(1, "load", 1),
    death(2),
    ...whole(1, "load", null),
  ],
  "a cleanup after no minutes that deletes a session without a lifetime": [
    ...SAVED,
    call(2, "cleanup", { minutes: 0 }),
    ...whole(1, "load", 1),
    ...whole(1, "load", null),
    back(2, 1),
  ],
  "a cleanup that keeps a session in use": [
    ...SAVED,
    ...whole(2, "cleanup", 0, { minutes: 0 }),
    ...whole(1, "load", 1),
  ],
  "a session that expired at its expiresAt": [
    ...whole(1, "save", true, { value: 1, expiresAt: 100 }),
    ...later(99, ...whole(1, "load", 1)),
    ...later(100, ...whole(1, "load", null), ...whole(2, "delete", false)),
    ...later(100, ...whole(2, "create", true, { value: 2 })),
  ],
  "a session that was touched in time": [
    ...whole(1, "save", true, { value: 1, idleTimeout: 100 }),
    ...later(70, ...whole(2, "touch", true)),
    ...later(169, ...whole(1, "load", 1)),
    ...later(170, ...whole(1, "load", null)),
  ],
  "a cookie that a regeneration ended": [
    ...SAVED,
    ...whole(1, "open", 1, { secret: 0 }),
    ...whole(2, "open", 1, { secret: 0 }),
    ...whole(1, "regenerate", 1, { value: 2, secret: 0 }),
    ...whole(2, "commit", "refused", { value: 3, secret: 0 }),
    ...whole(2, "open", null, { secret: 0 }),
    ...whole(1, "open", 2, { secret: 2 }),
    ...whole(1, "destroy", true, { secret: 2 }),
    ...whole(2, "destroy", null, { secret: 0 }),
  ],
};

const BAD: Readonly<Record<string, readonly Event[]>> = {
  "a lost update": [
    ...SAVED,
    call(1, "update", { value: 2 }),
    call(2, "update", { value: 3 }),
    back(1, 1),
    back(2, 1),
  ],
  "an update that is undone": [
    ...SAVED,
    ...whole(1, "update", 1, { value: 2 }),
    ...whole(2, "load", 1),
  ],
  "a stale read": [
    ...SAVED,
    ...whole(1, "save", true, { value: 2 }),
    ...whole(2, "load", 1),
  ],
  "a read of the old value after a read of the new one": [
    ...SAVED,
    call(1, "save", { value: 2 }),
    ...whole(2, "load", 2),
    ...whole(3, "load", 1),
    back(1, true),
  ],
  "a value that was never written": [...SAVED, ...whole(2, "load", 7)],
  "a torn value": [...SAVED, ...whole(2, "load", "torn")],
  "a session that vanished": [...SAVED, ...whole(2, "load", null)],
  "an update that restores a deleted session": [
    ...SAVED,
    call(2, "update", { value: 2 }),
    ...whole(1, "delete", true),
    ...whole(1, "load", null),
    back(2, 1),
    ...whole(1, "load", 2),
  ],
  "a touch that restores a deleted session": [
    ...SAVED,
    ...whole(1, "delete", true),
    ...whole(2, "touch", true),
  ],
  "two creates that both win": [
    call(1, "create", { value: 1 }),
    call(2, "create", { value: 2 }),
    back(1, true),
    back(2, true),
  ],
  "two deletes that both find a session": [
    ...SAVED,
    call(1, "delete"),
    call(2, "delete"),
    back(1, true),
    back(2, true),
  ],
  "a killed write that took effect and was undone": [
    ...SAVED,
    call(2, "save", { value: 2 }),
    death(2),
    ...whole(1, "load", 2),
    ...whole(1, "load", 1),
  ],
  "a killed write that took effect after the kill": [
    ...SAVED,
    call(2, "delete"),
    death(2),
    ...whole(1, "load", 1),
    ...whole(1, "load", null),
  ],
  "a cleanup that deletes a session that has not expired": [
    ...whole(1, "save", true, { value: 1, expiresAt: 1_000 }),
    ...whole(2, "cleanup", 1, { minutes: 0 }),
    ...whole(1, "has", false),
  ],
  "a cleanup that deletes a session accessed less than its minutes ago": [
    ...SAVED,
    ...whole(2, "cleanup", 1, { minutes: 30 }),
    ...whole(1, "has", false),
  ],
  "a session that is loaded after its expiresAt": [
    ...whole(1, "save", true, { value: 1, expiresAt: 100 }),
    ...later(100, ...whole(1, "load", 1)),
  ],
  "a session that expired and was found again": [
    ...whole(1, "save", true, { value: 1, idleTimeout: 100 }),
    ...later(95, ...whole(1, "load", null), ...whole(1, "load", 1)),
  ],
  "a session that was touched and expired too soon": [
    ...whole(1, "save", true, { value: 1, idleTimeout: 100 }),
    ...later(70, ...whole(2, "touch", true)),
    ...later(169, ...whole(1, "load", null)),
  ],
  "a commit with a cookie that a regeneration ended": [
    ...SAVED,
    ...whole(1, "regenerate", 1, { value: 2, secret: 0 }),
    ...whole(2, "commit", 2, { value: 3, secret: 0 }),
  ],
  "a commit that restores a deleted session": [
    ...SAVED,
    ...whole(1, "destroy", true, { secret: 0 }),
    ...whole(2, "commit", 1, { value: 3, secret: 0 }),
  ],
};

for (const [name, events] of Object.entries(GOOD)) {
  Deno.test(`checkHistory() explains ${name}`, () => {
    assertEquals(judge(events).violation, undefined);
  });
}

for (const [name, events] of Object.entries(BAD)) {
  Deno.test(`checkHistory() cannot explain ${name}`, () => {
    const { violation } = judge(events);
    assert(violation !== undefined);
    assert(violation.startsWith("session 0000"), violation);
  });
}

Deno.test("a violation is shown without operations that it does not need", () => {
  const { violation } = judge([
    ...Array(50).fill(whole(3, "load", null)).flat(),
    ...SAVED,
    call(4, "update", { value: 4 }),
    call(1, "update", { value: 2 }),
    ...Array(50).fill(whole(3, "has", true)).flat(),
    back(1, 1),
    back(4, 1),
    ...whole(3, "load", 2),
  ]);
  assertEquals(violation?.split("\n").map((line) => line.trim()), [
    `session ${"0".repeat(32)}`,
    "before it: 1",
    "0 ms  client 4: update value=4",
    "0 ms  client 1: update value=2",
    "0 ms  client 1: update → 1",
    "0 ms  client 4: update → 1",
    "… which no order explains",
  ]);
});

/** Tries every order, one after the other. */
function checkSlowly(steps: readonly Step<Operation>[]): boolean {
  const operations = steps.filter(({ isCall }) => isCall)
    .map(({ operation }) => operation);
  const at = (operation: Operation, isCall: boolean): number =>
    steps.findIndex((step) =>
      step.operation === operation && step.isCall === isCall
    );
  const explains = (state: State, left: readonly Operation[]): boolean =>
    left.every((operation) => SESSION_MODEL.isOptional(operation)) ||
    left.some((next) => {
      const rest = left.filter((other) => other !== next);
      // An operation that returned before this call came first, or had no effect.
      const late = rest.filter((other) => at(other, false) < at(next, true));
      if (!late.every((other) => SESSION_MODEL.isOptional(other))) return false;
      return SESSION_MODEL.step(state, next).some((after) =>
        explains(after, rest.filter((other) => !late.includes(other)))
      );
    });
  return explains(SESSION_MODEL.start, operations);
}

const ACTS: readonly Act[] = [
  "load",
  "save",
  "create",
  "update",
  "delete",
  "touch",
  "cleanup",
];

/** What happens next in a history: a client calls, or returns, or is killed. */
const anyTurn = fc.record({
  client: fc.nat(2),
  act: fc.constantFrom(...ACTS),
  dies: fc.nat(5).map((number) => number === 5),
  lies: fc.nat(7).map((number) => number === 7),
  answer: fc.nat(),
  next: fc.nat(),
});

type Turn = typeof anyTurn extends fc.Arbitrary<infer T> ? T : never;

function pick<T>(list: readonly T[], number: number): T {
  return list[number % list.length]!;
}

/** A history of a few clients; half of them have a false answer. */
function historyOf(turns: readonly Turn[]): Event[] {
  const events: Event[] = [];
  const open = new Map<number, { act: Act; value: number }>();
  let state: State;
  for (const [at, { client, ...turn }] of turns.entries()) {
    const value = at + 1;
    const running = open.get(client);
    if (running === undefined) {
      open.set(client, { act: turn.act, value });
      events.push(call(client, turn.act, { value, minutes: 0 }));
      continue;
    }
    open.delete(client);
    if (turn.dies) {
      events.push(death(client));
      continue;
    }
    const answers: Answer[] = [true, false, null, 1];
    if (state !== undefined) answers.push(state.value);
    const operation = {
      ...call(client, running.act, { value: running.value, minutes: 0 }),
      began: 0,
      ended: 0,
    } as unknown as Operation;
    const fitting = answers.filter((answer) =>
      SESSION_MODEL.step(state, { ...operation, answer }).length > 0
    );
    const answer = pick(turn.lies ? answers : fitting, turn.answer);
    const next = SESSION_MODEL.step(state, { ...operation, answer });
    if (next.length > 0) state = pick(next, turn.next);
    events.push(back(client, answer));
  }
  for (const client of open.keys()) events.push(death(client));
  return events;
}

Deno.test("checkHistory() agrees with a search through every order", () => {
  let count = 0;
  let explained = 0;
  const inputs = fc.array(anyTurn, { minLength: 8, maxLength: 14 });
  search("small histories", 3_000, inputs, (turns) => {
    const events = historyOf(turns);
    const steps = pairSteps(events);
    const { violation } = checkHistory(SESSION_MODEL, steps);
    const told = JSON.stringify(events);
    assertEquals(violation === undefined, checkSlowly(steps), told);
    count++;
    if (violation === undefined) explained++;
    else shorten(SESSION_MODEL, violation, () => false);
  });
  assert(explained > count / 10 && explained < count * 9 / 10, `${explained}`);
  console.log(`  of which ${explained} are explained`);
});
