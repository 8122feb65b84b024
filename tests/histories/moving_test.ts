/** One order explains what processes see while their sessions move to another store. */

import { assert, assertEquals } from "@std/assert";
import { EFFORT } from "../effort.ts";
import { Random } from "../random.ts";
import { openMigrating } from "../engines/open_migrating.ts";
import type { MigratingPlace } from "../contract/open_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { Ground } from "./crowd.ts";
import { judge } from "./judgement.ts";

/** A session moves only once, so there are several grounds. */
const GROUNDS = 5;
const OPERATIONS = 800;
const KILLS = 24;
/** Of a process that is at work, in ms. */
const LONGEST_LIFE = 400;

/** A ground whose sessions are all in the old store; the rest is undone. */
class MovingGround extends Ground {
  readonly #directory: TemporaryDirectory;
  readonly #place: MigratingPlace;

  constructor() {
    const directory = new TemporaryDirectory();
    const place: MigratingPlace = {
      kind: "migrating",
      from: directory.join("sessions"),
      to: directory.join("sessions.db"),
    };
    super(place);
    this.#directory = directory;
    this.#place = place;
  }

  /** Sets both stores up, and puts all sessions into the old one. */
  override async setup(): Promise<void> {
    await super.setup();
    await using opened = await openMigrating(this.#place);
    await this.fill({ ...opened, store: opened.from });
  }

  /** Counts what is left in the old store. */
  async left(): Promise<number> {
    await using opened = await openMigrating(this.#place);
    return (await Array.fromAsync(opened.from.entries())).length;
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }
}

Deno.test("what 4 processes saw while others moved all sessions has one order that explains it", async () => {
  for (let seed = 1; seed <= GROUNDS * EFFORT; seed++) {
    using ground = new MovingGround();
    await ground.setup();
    await ground.run({
      processes: 4,
      movers: 2,
      operations: OPERATIONS,
      seed,
    });
    const { violation, unanswered } = judge(ground.readEvents());
    assert(violation === undefined, `seed ${seed}: ${violation}`);
    assertEquals(unanswered, 0);
    assertEquals(await ground.left(), 0);
  }
});

Deno.test("what killed processes saw while others, killed as well, moved all sessions has one order that explains it", async () => {
  for (let seed = 1; seed <= EFFORT; seed++) {
    using ground = new MovingGround();
    await ground.setup();
    const random = new Random(seed);
    const lifetime = () => random.below(LONGEST_LIFE);
    const crowd = { processes: 3, movers: 1, seed };
    await ground.runAndKill(crowd, KILLS, lifetime);
    const { violation, unanswered } = judge(ground.readEvents());
    assert(violation === undefined, `seed ${seed}: ${violation}`);
    assert(unanswered > 0, "no process was killed at work");
  }
});
