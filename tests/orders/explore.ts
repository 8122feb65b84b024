/*
 * Runs every order in which actors can make their calls. Two orders that bring
 * stage, disk and actors into the same state continue in the same way, so each
 * state is explored once, and the orders through it are counted.
 */
import { Random } from "../random.ts";
import type { Actor, Intruder, Stage } from "./stage.ts";
import { TICK } from "./world.ts";

const MOST_CALLS = 2_000;

/** What may happen beside the actors' calls. */
export interface Chances {
  /** How often the clock may tick in between. */
  readonly ticks?: number;
  /** How many actors may be killed in between. */
  readonly kills?: number;
}

/** The size of an exploration. */
interface Exploration {
  /** How many different orders of calls there are, without going in circles. */
  readonly orders: bigint;
  /** How many different states they lead through. */
  readonly states: number;
}

/** One order of calls, which is chosen call by call. */
export abstract class Performance {
  readonly stage: Stage;
  /** What happened so far: `A`, an actor's call; `tick`; `†A`, its kill. */
  readonly order: string[] = [];
  readonly #ticks: number;
  readonly #kills: number;

  constructor(stage: Stage, { ticks = 0, kills = 0 }: Chances) {
    this.stage = stage;
    this.#ticks = ticks;
    this.#kills = kills;
    stage.isTicking = ticks > 0;
    stage.isFineGrained = kills > 0;
  }

  /** Checks what must hold when every actor has ended or was killed. */
  abstract check(): Promise<void>;

  /** Throws the error of an order that breaks a promise. */
  abstract fail(what: string): never;

  /** All that decides what can still happen, as text. */
  describe(): string {
    return this.stage.describe();
  }

  /** Saves its state beside the order, for a performance that replays the order. */
  save(): (to: Performance) => void {
    return () => {};
  }

  /** What can happen next; empty when every actor has ended or was killed. */
  choices(): string[] {
    const { stage, order } = this;
    const acting = stage.actors.filter((actor) =>
      !actor.isDead && actor.outcome === undefined
    );
    if (acting.length === 0) return [];
    const choices = acting.filter((actor) => stage.canMove(actor))
      .map(({ name }) => name);
    if (choices.length === 0) this.fail("no actor can move");
    const count = (start: string) =>
      order.filter((choice) => choice.startsWith(start)).length;
    if (count("tick") < this.#ticks) choices.push("tick");
    if (count("†") < this.#kills) {
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
      await this.#let(choice, count);
    }
  }

  /** Lets it happen once. */
  async take(choice: string, intruder?: Intruder): Promise<void> {
    await this.#let(choice, 1, intruder);
  }

  /** Finds the actor of a choice: of its call or of its kill. */
  find(choice: string): Actor {
    const name = choice.replace("†", "");
    return this.stage.actors.find((actor) => actor.name === name)!;
  }

  async #let(
    choice: string,
    count: number,
    intruder?: Intruder,
  ): Promise<void> {
    const { stage } = this;
    for (let i = 0; i < count; i++) this.order.push(choice);
    if (choice === "tick") stage.now += count * TICK;
    else if (choice.startsWith("†")) stage.kill(this.find(choice));
    else await stage.advance(this.find(choice), count, intruder);
  }
}

/** Begins a performance, in which no actor has made a call yet. */
type Begin = () => Promise<Performance>;

/** Explores all orders; each performance throws where one breaks a promise. */
export async function explore(begin: Begin): Promise<Exploration> {
  const orders = new Map<string, bigint>();

  async function goOn(performance: Performance): Promise<bigint> {
    const state = performance.describe();
    const known = orders.get(state);
    if (known !== undefined) return known;
    // Two actors that block each other's locks can return to an earlier state
    // without end; random waits prevent that. Such an order is not counted.
    orders.set(state, 0n);
    const choices = performance.choices();
    const order = [...performance.order];
    const load = performance.save();
    let count = 0n;
    for (const [i, choice] of choices.entries()) {
      const here = i === 0 ? performance : await begin();
      if (i > 0) {
        await here.replay(order);
        load(here);
      }
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

  const first = await begin();
  const count = await goOn(first);
  if (count === 0n) first.fail("it never ends");
  return { orders: count, states: orders.size };
}

/**
 * Performs one order.
 *
 * @param numbers Each selects one of the choices, in turn. After the last one,
 * choices are random: otherwise two actors that block each other's locks could
 * do so without end.
 */
export async function sample(
  begin: Begin,
  numbers: readonly number[],
): Promise<void> {
  const performance = await begin();
  const random = new Random(1);
  for (;;) {
    const choices = performance.choices();
    if (choices.length === 0) break;
    const number = numbers[performance.order.length] ?? random.below(1e6);
    await performance.take(choices[number % choices.length]!);
    if (performance.order.length > MOST_CALLS) performance.fail("no end");
  }
  await performance.check();
}
