/** `cleanUpEvery` in several processes at once, on each store. */

import { assertEquals } from "@std/assert";
import {
  flagsFor,
  openStore,
  type StorePlace,
} from "../contract/open_store.ts";
import { HOUR, recordOf } from "../constants.ts";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { PostgresScene } from "./postgres_scene.ts";
import { missingRedis, RedisServer } from "./redis_server.ts";

const PROCESSES = 3;
const OLD = 600;
const LIVE = 20;

const idOf = (kind: string, n: number) => `${kind}-${n}`.padEnd(20, "-");

async function testProcesses(place: StorePlace): Promise<void> {
  using directory = new TemporaryDirectory();
  await using opened = await openStore(place);
  const { store } = opened;
  const lastAccess = Date.now() - HOUR;
  for (let n = 0; n < OLD; n++) {
    await store.create(idOf("old", n), recordOf(), { lastAccess });
  }
  for (let n = 0; n < LIVE; n++) {
    await store.create(idOf("live", n), recordOf({ n: 0 }));
  }

  await using stack = new AsyncDisposableStack();
  const flags = [...flagsFor(place, directory.path), "--unstable-kv"];
  const cleaners = Array.from(
    { length: PROCESSES },
    () =>
      stack.use(
        spawn("tests/engines/cleaner_script.ts", [JSON.stringify(place)], {
          flags,
        }),
      ),
  );
  for (const cleaner of cleaners) await cleaner.expectLine("ready");
  for (const cleaner of cleaners) await cleaner.writeLine();
  const ends = Promise.all(cleaners.map((cleaner) => cleaner.end()));
  let isOver = false;
  ends.finally(() => isOver = true).catch(() => {});
  let changes = 0;
  do {
    changes++;
    for (let n = 0; n < LIVE; n++) {
      await store.update(
        idOf("live", n),
        (record) => ({ ...record, data: { n: Number(record.data.n) + 1 } }),
      );
    }
    // Some stores give the event loop nothing to wait for.
    await new Promise((resolve) => setTimeout(resolve));
  } while (!isOver);

  let deleted = 0;
  for (const { code, stdout, stderr } of await ends) {
    assertEquals([code, stderr], [0, ""]);
    deleted += Number(stdout);
  }
  assertEquals(deleted, OLD);
  const left = await Array.fromAsync(store.entries());
  assertEquals(
    left.map(([id, { data }]) => [id, data.n]).sort(),
    Array.from({ length: LIVE }, (_, n) => [idOf("live", n), changes]).sort(),
  );
}

const TITLE =
  "several processes that clean up delete each old session once, and no other";

for (const kind of ["directory", "sqlite", "kv"] as const) {
  Deno.test(`${kind}: ${TITLE}`, async () => {
    using directory = new TemporaryDirectory();
    await testProcesses({ kind, path: directory.join("sessions") });
  });
}

Deno.test({
  name: `redis: ${TITLE}`,
  ignore: missingRedis !== undefined,
  fn: async () => {
    await using server = await RedisServer.start();
    const { port } = server;
    await testProcesses({
      kind: "redis",
      client: "redis",
      isCluster: false,
      prefix: "latchkey:",
      port,
    });
  },
});

const scene = new PostgresScene();

scene.test(TITLE, async (driver) => {
  await testProcesses(scene.place(driver));
});
