/** The history of a store that is damaged on purpose shows the damage. */

import { assert, assertMatch } from "@std/assert";
import { Ground } from "./crowd.ts";
import type { Damage } from "./damage.ts";
import { judge } from "./judgement.ts";

const DAMAGES: readonly Damage[] = [
  "locks exclude no other process",
  "a store does not check the name after locking",
];

for (const damage of DAMAGES) {
  Deno.test(`when ${damage}, the history shows it`, async () => {
    using ground = new Ground();
    await ground.setup();
    await ground.run({ processes: 4, operations: 4_000, seed: 1, damage });
    const { violation, operations } = judge(ground.readEvents());
    assert(violation !== undefined, `nothing in ${operations} operations`);
    assertMatch(violation, /^session \d{32}\n {2}before it: /);
    console.log(`${damage}: found in\n${violation}`);
  });
}
