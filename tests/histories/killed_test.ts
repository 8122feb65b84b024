/** One order explains the history of processes that are killed at random moments. */

import { assert, assertEquals } from "@std/assert";
import { EFFORT } from "../effort.ts";
import { Random } from "../random.ts";
import { Ground } from "./crowd.ts";
import { IDS } from "./flow.ts";
import { judge } from "./judgement.ts";

const KILLS = 48;
/** Of a process that is at work, in ms. */
const LONGEST_LIFE = 300;

/** Every kind of operation, on every session, by a store that does not wait for locks. */
async function useAll(ground: Ground): Promise<void> {
  const store = ground.openStore();
  const record = { data: { n: 1 }, createdAt: 1 };
  for (const id of IDS) {
    await store.load(id, { touch: () => true });
    await store.update(id, (same) => same);
    await store.delete(id);
    assertEquals(await store.create(id, record), true);
    assertEquals(await store.create(id, record), false);
    assertEquals(await store.touch(id), true);
    await store.save(id, { ...record, data: { n: 2 } });
    assertEquals((await store.load(id))?.data, { n: 2 });
  }
  assertEquals((await store.deleteOldSessions(0)).deleted, IDS.length);
}

Deno.test("what killed processes saw has one order that explains it", async () => {
  const begin = performance.now();
  const total = { operations: 0, unanswered: 0, temporary: 0 };
  for (let seed = 1; seed <= EFFORT; seed++) {
    using ground = new Ground();
    await ground.setup();
    const random = new Random(seed);
    const lifetime = () => random.below(LONGEST_LIFE);
    await ground.runAndKill({ processes: 4, seed }, KILLS, lifetime);

    const { violation, ...judgement } = judge(ground.readEvents());
    assert(violation === undefined, `seed ${seed}: ${violation}`);
    const names = ground.list();
    const temporary = names.filter((name) => name.startsWith(".tmp-")).length;
    // Two names of each killed process, a recycled file of each other one.
    assert(temporary <= 2 * KILLS + 4, `${temporary} temporary files`);
    const others = names.filter((name) =>
      name !== ".latchkey" && !name.startsWith(".tmp-") && !IDS.includes(name)
    );
    assertEquals(others, []);
    await useAll(ground);
    total.operations += judgement.operations;
    total.unanswered += judgement.unanswered;
    total.temporary += temporary;
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  assert(total.unanswered > 0, "no process was killed at work");
  console.log(
    `${
      KILLS * EFFORT
    } kills survived: ${total.operations} operations in ${seconds} s, ${total.unanswered} of them cut off, ${total.temporary} temporary files left`,
  );
});
