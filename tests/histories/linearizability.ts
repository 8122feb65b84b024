/*
 * Decides whether a history is linearizable (Herlihy and Wing, 1990): whether
 * each operation can have taken effect at one instant between its call and its
 * return, so that the operations in that order explain every answer.
 *
 * The search is that of Wing and Gong (1993), in the form that Lowe (2017,
 * "Testing for linearizability") calls just-in-time, over a graph: it goes
 * through the history once, and keeps every pair of a state and a set of open
 * operations that have taken effect, each pair once. An operation takes effect
 * only when it must: before its own return, or before the return of another one
 * that builds on it. The pairs that are kept do not grow with the history, only
 * with the number of operations that are open at a time.
 *
 * A history of several sessions is linearizable when that of each one is
 * (Herlihy and Wing's locality; Horn and Kroening, 2015, on how much it saves):
 * the caller checks one session at a time.
 */

/** The specification of the operations. */
export interface Model<State, Operation> {
  /** The state before the first call. */
  readonly start: State;
  /** A text, equal for two states if they are equivalent. */
  identify(state: State): string;
  /** The states that may follow when an operation takes effect and gives its answer. */
  step(state: State, operation: Operation): readonly State[];
  /** Whether it may have had no effect at all. */
  isOptional(operation: Operation): boolean;
}

/** A call or a return. */
export interface Step<Operation> {
  readonly isCall: boolean;
  readonly operation: Operation;
}

/** The result of the search. */
export interface Verdict<State, Operation> {
  /** The part that no order explains; `undefined` when one order explains all. */
  readonly violation: Violation<State, Operation> | undefined;
  /** How many pairs of a state and a set of operations were visited. */
  readonly explored: number;
  /** The most operations that were open at once. */
  readonly widest: number;
}

/** A part of a history that no order explains. */
export interface Violation<State, Operation> {
  /** The possible states before it, when no operation was open. */
  readonly before: readonly State[];
  /** Its steps; the last one is a return that no order explains. */
  readonly steps: readonly Step<Operation>[];
}

/** A state that may be reached, and which open operations have led to it. */
interface Configuration<State> {
  readonly state: State;
  /** One bit for each seat of an open operation that has taken effect. */
  readonly done: number;
}

const MOST_SEATS = 31;

/**
 * Decides whether a history is linearizable.
 *
 * @param model The specification of the operations.
 * @param steps The history, in its order.
 * @param starts The possible states before it; by default, the model's start.
 * @returns What was found.
 */
export function checkHistory<State, Operation>(
  model: Model<State, Operation>,
  steps: readonly Step<Operation>[],
  starts: readonly State[] = [model.start],
): Verdict<State, Operation> {
  const seats: (Operation | undefined)[] = [];
  let reached: Configuration<State>[] = starts.map((state) => ({
    state,
    done: 0,
  }));
  let quiet = { at: 0, states: starts };
  let explored = 0;
  let widest = 0;
  let open = 0;
  for (const [at, { isCall, operation }] of steps.entries()) {
    if (isCall) {
      if (open === 0) {
        quiet = { at, states: reached.map(({ state }) => state) };
      }
      seat(seats, operation);
      widest = Math.max(widest, ++open);
      continue;
    }
    const search = new Search(model, seats, seats.indexOf(operation));
    reached = search.run(reached);
    explored += search.explored;
    if (reached.length === 0) {
      const violation = {
        before: quiet.states,
        steps: steps.slice(quiet.at, at + 1),
      };
      return { violation, explored, widest };
    }
    seats[seats.indexOf(operation)] = undefined;
    open--;
  }
  return { violation: undefined, explored, widest };
}

function seat<Operation>(
  seats: (Operation | undefined)[],
  operation: Operation,
): void {
  const free = seats.indexOf(undefined);
  const at = free < 0 ? seats.length : free;
  if (at >= MOST_SEATS) throw new RangeError("Cannot check: too many at once");
  seats[at] = operation;
}

/** Lets operations take effect, in every order, until one that returns has. */
class Search<State, Operation> {
  explored = 0;
  readonly #model: Model<State, Operation>;
  readonly #seats: readonly (Operation | undefined)[];
  readonly #returning: number;
  readonly #found = new Map<string, Configuration<State>>();
  readonly #seen = new Set<string>();
  #rest: Configuration<State>[] = [];

  constructor(
    model: Model<State, Operation>,
    seats: readonly (Operation | undefined)[],
    returning: number,
  ) {
    this.#model = model;
    this.#seats = seats;
    this.#returning = returning;
  }

  run(reached: readonly Configuration<State>[]): Configuration<State>[] {
    const bit = 1 << this.#returning;
    const isOptional = this.#model.isOptional(this.#seats[this.#returning]!);
    for (const configuration of reached) {
      if (isOptional) {
        this.#leave(configuration.state, configuration.done & ~bit);
      }
      this.#meet(configuration);
    }
    for (let next = this.#rest.pop(); next; next = this.#rest.pop()) {
      this.#goOn(next);
    }
    return [...this.#found.values()];
  }

  #goOn({ state, done }: Configuration<State>): void {
    for (const [seat, operation] of this.#seats.entries()) {
      if (operation === undefined || (done & (1 << seat)) !== 0) continue;
      const isOptional = this.#model.isOptional(operation);
      for (const next of this.#model.step(state, operation)) {
        if (next === state && isOptional) continue;
        this.#meet({ state: next, done: done | (1 << seat) });
      }
    }
  }

  #meet(configuration: Configuration<State>): void {
    const { state, done } = configuration;
    const key = `${done} ${this.#model.identify(state)}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.explored++;
    const bit = 1 << this.#returning;
    if ((done & bit) === 0) this.#rest.push(configuration);
    else this.#leave(state, done & ~bit);
  }

  /** Frees the seat of the operation that returns, for the next one. */
  #leave(state: State, done: number): void {
    const key = `${done} ${this.#model.identify(state)}`;
    this.#found.set(key, { state, done });
  }
}

/**
 * Removes every operation from a violation that it does not need, so that a
 * reader sees the contradiction.
 *
 * @param model The specification of the operations.
 * @param violation The violation.
 * @param isNeeded Operations that must stay: those that may have had an effect.
 * @returns The smallest part that no order explains.
 */
export function shorten<State, Operation>(
  model: Model<State, Operation>,
  violation: Violation<State, Operation>,
  isNeeded: (operation: Operation) => boolean,
): Violation<State, Operation> {
  let shortest = violation;
  const operations = violation.steps.filter(({ isCall }) => isCall)
    .map(({ operation }) => operation);
  for (const operation of operations) {
    if (isNeeded(operation)) continue;
    const steps = shortest.steps.filter((step) => step.operation !== operation);
    const found = checkHistory(model, steps, violation.before).violation;
    if (found !== undefined) shortest = { before: violation.before, steps };
  }
  return shortest;
}
