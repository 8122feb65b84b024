/** The commands that a store sends to Redis, and the keys afterwards. */

import { assert, assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import type { RedisClient } from "../../src/engines/redis_client.ts";
import { HOUR, ID, recordOf } from "../constants.ts";
import { connectRedis } from "./open_redis.ts";
import { assertAbout, type Scene, SLACK, testScene } from "./redis_scene.ts";

const KEY = `latchkey:{${ID}}`;

testScene(
  "a request costs one command to load, and one to update",
  async (scene) => {
    const { store } = scene;
    await store.save(ID, recordOf());
    assertEquals(scene.takeNames(), [`GET ${KEY}`, `EVALSHA ${KEY}`]);
    assert(await store.load(ID));
    assertEquals(scene.takeNames(), [`GET ${KEY}`]);
    await store.update(ID, (record) => ({ ...record, data: { n: 2 } }));
    assertEquals(scene.takeNames(), [`EVALSHA ${KEY}`]);
    await store.update(ID, (record) => ({ ...record, data: { n: 3 } }));
    assertEquals(scene.takeNames(), [`GET ${KEY}`, `EVALSHA ${KEY}`]);
    assert(await store.load(ID));
    scene.take();
    assertEquals(await store.update(ID, () => undefined), null);
    assertEquals(scene.takeNames(), [`EVALSHA ${KEY}`]);
  },
);

testScene("a missing session costs one command", async (scene) => {
  const { store } = scene;
  const asks: (() => Promise<unknown>)[] = [
    () => store.load(ID),
    () => store.load(ID, { touch: () => true }),
    () => store.has(ID),
    () => store.touch(ID),
    () => store.delete(ID),
    () => store.update(ID, (record) => record),
  ];
  for (const ask of asks) {
    await ask();
    assertEquals(scene.take().length, 1);
  }
  assertEquals(await store.create(ID, recordOf()), true);
  assertEquals(scene.take().length, 1);
});

testScene("a malformed ID costs no command", async (scene) => {
  const { store } = scene;
  for (const id of ["", "*", "{}", "x\r\nFLUSHALL", "0".repeat(65)]) {
    assertEquals(await store.load(id), undefined);
    assertEquals(await store.delete(id), false);
    assertEquals(await store.update(id, (record) => record), undefined);
  }
  assertEquals(scene.take(), []);
});

testScene(
  "a touch sends a few bytes, and leaves the data as it is",
  async (scene) => {
    const { store } = scene;
    const record = recordOf({ text: "x".repeat(100_000) }, { user: "ann" });
    await store.save(ID, record);
    const before = await scene.ask("GETRANGE", KEY, 0, 11);
    scene.take();
    for (const touch of [undefined, () => true]) {
      if (touch === undefined) await store.touch(ID);
      else await store.load(ID, { touch });
      const sent = scene.take();
      const index = await scene.index();
      assertEquals(sent.map(([name]) => name), ["GET", "EVALSHA", "EVALSHA"]);
      assertEquals(sent.slice(1).map(([, , , key]) => key), [KEY, index]);
      assert(sent.flat().join("").length < 500);
    }
    assertEquals(await scene.ask("GETRANGE", KEY, 0, 11), before);
    assertEquals(await store.load(ID, { touch: () => false }), record);
  },
);

/** Two stores on one server; the scripts of the slow one are held back. */
interface QuickAndSlow {
  readonly quick: RedisSessionStore;
  readonly slow: RedisSessionStore;
  /** What the slow one sent that concerns the session. */
  readonly sent: readonly string[];
  /** The clock of both. */
  now: number;
  /** Runs what is held back. */
  release(): void;
  /** Resolves when something is held back. */
  readonly isHeld: Promise<void>;
}

/** Declares a test with a store whose scripts arrive late. */
function testSlow(
  title: string,
  run: (stores: QuickAndSlow, scene: Scene) => Promise<void>,
): void {
  testScene(title, async (scene) => {
    const { port } = scene.server;
    await using connected = await connectRedis({
      port,
      client: "ioredis",
      isCluster: false,
    });
    const client = connected.client as Extract<RedisClient, { call: unknown }>;
    const sent: string[] = [];
    const isHeld = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const held: RedisClient = {
      call: async (command, ...args) => {
        if (!args.includes(KEY)) return await client.call(command, ...args);
        sent.push(command);
        if (command === "EVALSHA") {
          isHeld.resolve();
          await go.promise;
        }
        return await client.call(command, ...args);
      },
    };
    const now = () => stores.now;
    const stores: QuickAndSlow = {
      quick: new RedisSessionStore(client, { now }),
      slow: new RedisSessionStore(held, { now }),
      sent,
      now: Date.now(),
      release: () => go.resolve(),
      isHeld: isHeld.promise,
    };
    await run(stores, scene);
  });
}

/** Tells when the only session was last accessed. */
async function lastAccessIn(store: RedisSessionStore): Promise<number> {
  const [entry] = await Array.fromAsync(store.entries());
  return entry![2];
}

testSlow("a slow touch does not move the last access back", async (stores) => {
  const { quick, slow } = stores;
  const start = stores.now;
  await quick.save(ID, recordOf({}, { idleTimeout: HOUR }));
  stores.now = start + HOUR / 2;
  const isTouched = slow.load(ID, { touch: (_, access) => access === start });
  await stores.isHeld;
  stores.now = start + HOUR - 1;
  assert(await quick.touch(ID));
  stores.release();
  assert(await isTouched);
  assertEquals(await lastAccessIn(quick), start + HOUR - 1);
});

testSlow(
  "a touch that arrives after the end prolongs nothing",
  async (stores, scene) => {
    const { quick, slow } = stores;
    const start = stores.now;
    await quick.save(ID, recordOf({}, { idleTimeout: HOUR }));
    stores.now += 1;
    const touching = slow.touch(ID);
    await stores.isHeld;
    // As Redis sees it when the end has passed.
    await scene.ask("PEXPIRE", KEY, SLACK);
    stores.now = start + HOUR;
    stores.release();
    assertEquals(await touching, false);
    assertEquals(await quick.has(ID), false);
  },
);

testScene(
  "a touch after the end by the clock of Redis fails no load",
  async (scene) => {
    const { store } = scene;
    const record = recordOf({}, { idleTimeout: HOUR });
    await store.save(ID, record);
    await scene.ask("PEXPIRE", KEY, SLACK);
    assertEquals(await store.load(ID, { touch: () => true }), record);
    assert(await scene.ttl(KEY) <= SLACK);
  },
);

testSlow(
  "a touch that comes after a later one is done, and costs nothing more",
  async (stores) => {
    const { quick, slow, sent } = stores;
    await quick.save(ID, recordOf());
    const touching = slow.touch(ID);
    await stores.isHeld;
    stores.now += 1_000;
    await quick.touch(ID);
    stores.release();
    assert(await touching);
    assertEquals(await lastAccessIn(quick), stores.now);
    assertEquals(sent, ["GET", "EVALSHA"]);
  },
);

testSlow("a touch lowers a last access in the future", async (stores) => {
  const { quick } = stores;
  const { now } = stores;
  stores.now = now + HOUR;
  await quick.save(ID, recordOf({}, { idleTimeout: 2 * HOUR }));
  stores.now = now;
  assert(await quick.touch(ID));
  assertEquals(await lastAccessIn(quick), now);
});

testSlow(
  "a change that leaves the last access undoes no touch",
  async (stores) => {
    const { quick, slow } = stores;
    await quick.save(ID, recordOf({ n: 0 }));
    const changing = slow.update(
      ID,
      (record) => ({ ...record, data: { n: Number(record.data.n) + 1 } }),
      { lastAccess: "unchanged" },
    );
    await stores.isHeld;
    stores.now += HOUR;
    assert(await quick.touch(ID));
    stores.release();
    assertEquals((await changing)?.data, { n: 1 });
    assertEquals(await lastAccessIn(quick), stores.now);
    assertEquals((await quick.load(ID))?.data, { n: 1 });
  },
);

testScene(
  "Redis deletes a session an hour after its expiry, which a touch moves",
  async (scene) => {
    const { store } = scene;
    await store.save(ID, recordOf({}, { idleTimeout: 2 * HOUR }));
    assertAbout(await scene.ttl(KEY), 2 * HOUR + SLACK);
    await scene.ask("PEXPIRE", KEY, SLACK + HOUR);
    await store.touch(ID);
    assertAbout(await scene.ttl(KEY), 2 * HOUR + SLACK);
    const expiresAt = Date.now() + HOUR;
    await store.update(ID, (record) => ({ ...record, expiresAt }));
    assertAbout(await scene.ttl(KEY), HOUR + SLACK);
    await store.touch(ID);
    assertAbout(await scene.ttl(KEY), HOUR + SLACK);
    await store.save(ID, recordOf({}, { expiresAt: 1 }));
    assertAbout(await scene.ttl(KEY), SLACK);
  },
);

testScene(
  "a session that never expires does not expire in Redis either",
  async (scene) => {
    const { store } = scene;
    const passing = recordOf({}, { idleTimeout: HOUR });
    await store.save(ID, recordOf());
    assertEquals(await scene.ttl(KEY), -1);
    await store.touch(ID);
    assertEquals(await scene.ttl(KEY), -1);
    await store.update(ID, () => passing);
    assertAbout(await scene.ttl(KEY), HOUR + SLACK);
    await store.update(ID, () => recordOf());
    assertEquals(await scene.ttl(KEY), -1);
    await store.save(ID, passing);
    await store.save(ID, recordOf());
    assertEquals(await scene.ttl(KEY), -1);
    const most = Number.MAX_SAFE_INTEGER;
    await store.save(ID, recordOf({}, { expiresAt: most, user: "ann" }));
    assert(await store.load(ID));
  },
);

testScene("scripts that Redis has lost are sent again", async (scene) => {
  const { store } = scene;
  const forget = () => scene.ask("SCRIPT", "FLUSH");
  await forget();
  await store.save(ID, recordOf({}, { user: "ann", idleTimeout: HOUR }));
  await forget();
  assertEquals(await store.touch(ID), true);
  await forget();
  const changed = await store.update(ID, (record) => record);
  assertEquals(changed?.user, "ann");
  await forget();
  assertEquals(await store.delete(ID), true);
  assertEquals(await scene.keys(), []);
});

testScene(
  "a session that has expired for one server has expired for all",
  async (scene) => {
    const { store } = scene;
    const connected = await connectRedis({
      port: scene.server.port,
      client: "redis",
      isCluster: false,
    });
    await using _connected = connected;
    const expiresAt = Date.now() + HOUR;
    await store.save(ID, recordOf({}, { expiresAt }));
    const after = new RedisSessionStore(connected.client, {
      now: () => expiresAt,
    });
    assert(await store.load(ID));
    assertEquals(await after.load(ID), undefined);
    // This server has loaded the session before it expired.
    const revive = (record: SessionRecord) => record;
    assertEquals(await store.update(ID, revive), undefined);
    assertEquals(await scene.keys(), []);
  },
);
