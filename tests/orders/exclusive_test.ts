/*
 * Exclusive requests: each adds its name to what it has read, so two of them
 * that overlapped would lose one. The model says so: between the reading of one
 * and its commit no other adds.
 */
import { ID } from "../constants.ts";
import { assert, assertEquals } from "@std/assert";
import { EFFORT } from "../effort.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { exploreAll } from "./all_orders.ts";
import type { Performance } from "./explore.ts";
import { type OperationName, type Play, SessionPerformance } from "./play.ts";
import { Stage } from "./stage.ts";

/** An exclusive request, and others that add nothing to the list. */
function playsWith(others: readonly OperationName[], kills = 0): Play[] {
  return others.map((other) => ({
    opening: "live",
    operations: ["exclusive", other],
    kills,
  }));
}

Deno.test("in every order of two exclusive requests, one begins when the other has ended", () =>
  exploreAll("exclusive", [
    ...playsWith(["exclusive"]),
    { opening: "missing", operations: ["exclusive", "exclusive"] },
  ]));

Deno.test("every order of an exclusive request and an operation that is not keeps every promise", () =>
  exploreAll(
    "exclusive and others",
    playsWith(
      EFFORT > 1
        ? ["load", "load+touch", "read", "delete", "cleanup"]
        : ["read", "delete"],
    ),
  ));

if (EFFORT > 1) {
  Deno.test("every order of an exclusive request and another operation, one of which is killed, keeps every promise", () =>
    exploreAll(
      "exclusive, killed",
      playsWith(["exclusive", "load", "read", "delete"], 1),
    ));
}

const PLAY: Play = {
  opening: "live",
  operations: ["exclusive", "exclusive", "read"],
  kills: 1,
};

/** How many calls an exclusive request makes. */
async function countCalls(stage: Stage): Promise<number> {
  const performance = await SessionPerformance.begin(stage, PLAY, new Map());
  const [holder] = stage.actors;
  for (let calls = 0;; calls++) {
    if (holder!.outcome !== undefined) return calls;
    await performance.take("A");
  }
}

/** Lets an actor go on until it is done, or waits for a lock. */
async function goOn(performance: Performance, name: string): Promise<boolean> {
  const actor = performance.stage.actors.find((actor) => actor.name === name)!;
  while (performance.stage.canMove(actor)) await performance.take(name);
  return actor.outcome !== undefined;
}

Deno.test("an exclusive request that is killed at any call lets the next one lock the session; a reader never waits for its lock", async () => {
  using directory = new TemporaryDirectory();
  using stage = new Stage(directory.path);
  const calls = await countCalls(stage);
  let waited = 0;
  for (let call = 1; call < calls; call++) {
    const performance = await SessionPerformance.begin(stage, PLAY, new Map());
    for (let i = 0; i < call; i++) await performance.take("A");
    const [holder, next, reader] = stage.actors;
    if (!await goOn(performance, "B")) waited++;
    const isAtWork = [...holder!.openFiles].some((file) =>
      file.statSync().ino === Deno.statSync(directory.join(ID)).ino
    );
    const isRead = await goOn(performance, "C");
    // While it reads or writes the file it may hold the file's own lock, for
    // which a reader waits whose cookie is due.
    assert(isRead || isAtWork, `the reader waits at call ${call}`);
    await performance.take("†A");
    await goOn(performance, "B");
    await goOn(performance, "C");
    assert(next!.outcome !== undefined && reader!.outcome !== undefined);
    assertEquals(performance.choices(), []);
    await performance.check();
  }
  console.log(`${calls - 1} kills, at ${waited} of them the next one waited`);
  assert(waited > 5);
});
