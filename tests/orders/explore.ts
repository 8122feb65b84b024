/*
 * Runs every order in which actors can make their calls. Two orders that bring
 * stage, disk and actors into the same state go on in the same way, so each
 * state is gone on from once, and the orders through it are counted.
 */
import { Random } from "../random.ts";
import { findViolation, type Part } from "./oracle.ts";
import {
  type Operation,
  SESSION_OPERATIONS,
  type SessionOperationName,
} from "./scenes.ts";
import { USER_SCENES, type UserSceneName } from "./users.ts";
import { Cast } from "./cast.ts";
import { type Opening, TICK } from "./world.ts";
import type { Intruder, Stage } from "./stage.ts";

/** The name of an operation. */
export type OperationName = SessionOperationName | UserSceneName;

const OPERATIONS: Record<OperationName, Operation> = {
  ...SESSION_OPERATIONS,
  ...USER_SCENES,
};

const MOST_CALLS = 2_000;

/** A play: what each actor does, what it finds, and what else may happen. */
export interface Play {
  readonly opening: Opening;
  readonly operations: readonly OperationName[];
  /** How often the clock may tick in between. */
  readonly ticks?: number;
  /** How many actors may be killed in between. */
  readonly kills?: number;
  /** Whether each begins with a recycled file, which a cleaner would collect. */
  readonly recycledFiles?: boolean;
  /** Whether the record is sealed, and every manager seals. */
  readonly isSealed?: boolean;
  /** Whether listing the directory finds nothing, as if each session was missed. */
  readonly isBlind?: boolean;
}

/** What was explored. */
export interface Exploration {
  /** How many different orders of calls there are, without going in circles. */
  readonly orders: bigint;
  /** How many different states they lead through. */
  readonly states: number;
}

/**
 * An order that breaks a promise. Its text ends with the command that performs
 * it again, call by call.
 */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly order: readonly string[];

  constructor(play: Play, order: readonly string[], what: string) {
    super(
      `${what}\n  deno task test orders --filter replay -- ` +
        `'${JSON.stringify(play)}' '${order.join(" ")}'`,
    );
    this.order = order;
  }
}

/** One performance of a play, which chooses what happens next. */
export class Performance {
  readonly play: Play;
  readonly stage: Stage;
  /** What happened so far: `A`, an actor's call; `tick`; `†A`, its death. */
  readonly order: string[] = [];
  #cast: Cast;
  #parts: Part[] = [];

  private constructor(stage: Stage, play: Play, cast: Cast) {
    this.stage = stage;
    this.play = play;
    this.#cast = cast;
  }

  /** Sets the scene; no actor has made a call yet. */
  static async begin(
    stage: Stage,
    play: Play,
    stores: ConstructorParameters<typeof Cast>[2],
  ): Promise<Performance> {
    const cast = new Cast(stage, play.opening, stores, play.isSealed);
    const performance = new Performance(stage, play, cast);
    stage.isTicking = (play.ticks ?? 0) > 0;
    stage.isFineGrained = (play.kills ?? 0) > 0;
    stage.isBlind = play.isBlind ?? false;
    const names = play.operations.map((_, i) => "ABC"[i]!);
    await cast.set(names);
    for (const [i, name] of names.entries()) {
      const operation = OPERATIONS[play.operations[i]!];
      const script = () => operation.run(cast, name);
      const recycled = play.recycledFiles ? cast.layRecycled(name) : undefined;
      const actor = await stage.enter(name, script, recycled);
      performance.#parts.push({ actor, operation });
    }
    return performance;
  }

  /** What can happen next; nothing when all actors have ended or died. */
  choices(): string[] {
    const { stage, play, order } = this;
    const acting = stage.actors.filter((actor) =>
      !actor.isDead && actor.outcome === undefined
    );
    if (acting.length === 0) return [];
    const choices = acting.filter((actor) => stage.canMove(actor))
      .map(({ name }) => name);
    if (choices.length === 0) this.fail("no actor can move");
    const count = (start: string) =>
      order.filter((choice) => choice.startsWith(start)).length;
    if (count("tick") < (play.ticks ?? 0)) choices.push("tick");
    if (count("†") < (play.kills ?? 0)) {
      choices.push(
        ...acting.filter(({ firstStep }) => firstStep !== undefined)
          .map(({ name }) => `†${name}`),
      );
    }
    return choices;
  }

  /** Lets all of an order happen. */
  async replay(order: readonly string[]): Promise<void> {
    for (let i = 0, count = 1; i < order.length; i += count) {
      const choice = order[i]!;
      for (count = 1; order[i + count] === choice; count++);
      await this.take(choice, count);
    }
  }

  /** Lets it happen, so many times. */
  async take(choice: string, count = 1, intruder?: Intruder): Promise<void> {
    const { stage } = this;
    for (let i = 0; i < count; i++) this.order.push(choice);
    if (choice === "tick") {
      stage.now += count * TICK;
      return;
    }
    const name = choice.replace("†", "");
    const actor = stage.actors.find((actor) => actor.name === name)!;
    if (choice.startsWith("†")) stage.kill(actor);
    else await stage.advance(actor, count, intruder);
  }

  /** Looks whether all promises were kept. */
  async check(): Promise<void> {
    const violation = await findViolation(this.#cast, this.play, this.#parts);
    if (violation !== undefined) this.fail(violation);
  }

  /** Reports that a promise was broken. */
  fail(what: string): never {
    throw new Violation(this.play, this.order, what);
  }
}

/** The actors' stores, ready; to be used again for every performance. */
export type Stores = ConstructorParameters<typeof Cast>[2];

/**
 * Explores all orders of a play.
 *
 * @throws {Violation} If one of them breaks a promise.
 */
export async function explore(
  stage: Stage,
  play: Play,
  stores: Stores,
): Promise<Exploration> {
  const orders = new Map<string, bigint>();

  async function perform(order: readonly string[]): Promise<Performance> {
    const performance = await Performance.begin(stage, play, stores);
    await performance.replay(order);
    return performance;
  }

  async function goOn(performance: Performance): Promise<bigint> {
    const state = stage.describe();
    const known = orders.get(state);
    if (known !== undefined) return known;
    // Two that keep each other from their locks can go round in a circle,
    // which the random waits break; an order is counted up to where it closes.
    orders.set(state, 0n);
    const choices = performance.choices();
    const order = [...performance.order];
    let count = 0n;
    for (const [i, choice] of choices.entries()) {
      const here = i === 0 ? performance : await perform(order);
      await here.take(choice);
      count += await goOn(here);
    }
    if (choices.length === 0) {
      await performance.check();
      count = 1n;
    }
    orders.set(state, count);
    return count;
  }

  const count = await goOn(await perform([]));
  if (count === 0n) throw new Violation(play, [], "it never ends");
  return { orders: count, states: orders.size };
}

/**
 * Makes a function that picks by one number after the other, and at random when
 * there are no more: two actors that keep each other from their locks could
 * else go round in a circle.
 */
export function picker(
  numbers: readonly number[],
): <T>(list: readonly T[]) => T {
  const random = new Random(1);
  const left = numbers.values();
  return (list) => {
    const { value, done } = left.next();
    return done ? random.pick(list) : list[value % list.length]!;
  };
}

/**
 * Performs one order of a play.
 *
 * @param choices Which of what can happen next happens.
 * @throws {Violation} If it breaks a promise.
 */
export async function sample(
  stage: Stage,
  play: Play,
  stores: Stores,
  choices: readonly number[],
): Promise<void> {
  const performance = await Performance.begin(stage, play, stores);
  const pick = picker(choices);
  for (;;) {
    const possible = performance.choices();
    if (possible.length === 0) break;
    await performance.take(pick(possible));
    if (performance.order.length > MOST_CALLS) performance.fail("no end");
  }
  await performance.check();
}
