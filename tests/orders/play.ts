/** Plays of sessions: what actors do to one, and what must hold afterwards. */
import { Cast } from "./cast.ts";
import { type Chances, Performance } from "./explore.ts";
import { findViolation, type Part } from "./oracle.ts";
import {
  type Operation,
  SESSION_OPERATIONS,
  type SessionOperationName,
} from "./scenes.ts";
import type { Stage } from "./stage.ts";
import { USER_SCENES, type UserSceneName } from "./users.ts";
import type { Opening } from "./world.ts";

/** The name of an operation. */
export type OperationName = SessionOperationName | UserSceneName;

const OPERATIONS: Record<OperationName, Operation> = {
  ...SESSION_OPERATIONS,
  ...USER_SCENES,
};

/** A play: what each actor does, what it finds, and what else may happen. */
export interface Play extends Chances {
  readonly opening: Opening;
  readonly operations: readonly OperationName[];
  /** Whether each begins with a recycled file, which a cleaner would collect. */
  readonly recycledFiles?: boolean;
  /** Whether the record is sealed, and every manager seals. */
  readonly isSealed?: boolean;
  /** Whether listing the directory finds nothing, as if each session was missed. */
  readonly isBlind?: boolean;
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

/** The actors' stores, ready; to be used again for every performance. */
export type Stores = ConstructorParameters<typeof Cast>[2];

/** One performance of a play. */
export class SessionPerformance extends Performance {
  readonly play: Play;
  readonly #cast: Cast;
  readonly #parts: Part[] = [];

  private constructor(stage: Stage, play: Play, cast: Cast) {
    super(stage, play);
    this.play = play;
    this.#cast = cast;
    stage.isBlind = play.isBlind ?? false;
  }

  /** Sets the scene; no actor has made a call yet. */
  static async begin(
    stage: Stage,
    play: Play,
    stores: Stores,
  ): Promise<SessionPerformance> {
    const cast = new Cast(stage, play.opening, stores, play.isSealed);
    const performance = new SessionPerformance(stage, play, cast);
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

  override async check(): Promise<void> {
    const violation = await findViolation(this.#cast, this.play, this.#parts);
    if (violation !== undefined) this.fail(violation);
  }

  override fail(what: string): never {
    throw new Violation(this.play, this.order, what);
  }
}
