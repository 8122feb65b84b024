import { assert, assertEquals } from "@std/assert";
import { EFFORT } from "../effort.ts";
import { Ground } from "../histories/crowd.ts";
import { judge } from "../histories/judgement.ts";
import { testEngine } from "./engine_suite.ts";
import { DRIVERS, type PostgresPlace, spoilPostgres } from "./open_postgres.ts";
import { PostgresScene } from "./postgres_scene.ts";
import { missing } from "./postgres_server.ts";

const OPERATIONS = 1_500;

const scene = missing === undefined ? new PostgresScene() : undefined;

const serializable = new PostgresScene({
  settings: { default_transaction_isolation: "serializable" },
});

for (const driver of DRIVERS) {
  testEngine(`PostgresSessionStore on npm:${driver}`, {
    missing,
    isShared: true,
    countsAll: true,
    spoil: (place, ...rest) => spoilPostgres(place as PostgresPlace, ...rest),
    make: () => scene!.make(driver),
  });
}

serializable.test("a database with serializable transactions keeps the contract", async (driver) => {
  for (let seed = 1; seed <= EFFORT; seed++) {
    using ground = new Ground(serializable.place(driver));
    await ground.run({ processes: 4, operations: OPERATIONS, seed });
    const { violation, unanswered } = judge(ground.readEvents());
    assert(violation === undefined, `seed ${seed}: ${violation}`);
    assertEquals(unanswered, 0);
  }
});
