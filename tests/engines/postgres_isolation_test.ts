import { assert, assertEquals } from "@std/assert";
import { EFFORT } from "../effort.ts";
import { Ground } from "../histories/crowd.ts";
import { judge } from "../histories/judgement.ts";
import { PostgresScene } from "./postgres_scene.ts";

const OPERATIONS = 1_500;

const scene = new PostgresScene({
  settings: { default_transaction_isolation: "serializable" },
});

scene.test("a database whose transactions are serializable will do", async (driver) => {
  for (let seed = 1; seed <= EFFORT; seed++) {
    using ground = new Ground(scene.place(driver));
    await ground.run({ processes: 4, operations: OPERATIONS, seed });
    const { violation, unanswered } = judge(ground.readEvents());
    assert(violation === undefined, `seed ${seed}: ${violation}`);
    assertEquals(unanswered, 0);
  }
});
