/** A Redis that is full, read-only or hung, under a store that works already. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { SessionStoreError } from "../../src/core/errors.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import type { SessionEvent } from "../../src/manager/events.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { connectRedis } from "./open_redis.ts";
import { type Scene, testScene } from "./redis_scene.ts";
import { RedisServer, waitUntil } from "./redis_server.ts";

const EXPIRED_ID = "an-expired-session";
const NEW_ID = "a-session-of-its-own";
const INDEXED = `latchkey:user:*`;

/** A store of a scene's server, and what it warned of. */
interface Warned extends AsyncDisposable {
  readonly store: RedisSessionStore;
  /** The clock of the store. */
  now: number;
  /** Returns what it warned of since the last call. */
  takeWarnings(): StoreWarning[];
}

/** Makes a store that is set up, with two of Ann's sessions and an expired one. */
async function makeStore({ server: { port } }: Scene): Promise<Warned> {
  const place = { port, client: "redis", isCluster: false } as const;
  const connected = await connectRedis(place);
  const warnings: StoreWarning[] = [];
  const made: Warned = {
    store: new RedisSessionStore(connected.client, {
      now: () => made.now,
      onWarning: (warning) => warnings.push(warning),
    }),
    now: Date.now(),
    takeWarnings: () => warnings.splice(0),
    [Symbol.asyncDispose]: () => connected[Symbol.asyncDispose](),
  };
  const { store } = made;
  const lasting = { user: "ann", idleTimeout: 2 * HOUR };
  for (const id of [ID, OTHER_ID]) {
    await store.save(id, recordOf({ n: 1 }, lasting));
  }
  await store.save(EXPIRED_ID, recordOf({}, { idleTimeout: HOUR }));
  made.now += HOUR;
  return made;
}

/** Holds a store to what a server that takes no write leaves possible. */
async function assertReads(
  { store, takeWarnings }: Warned,
  scene: Scene,
  message: string,
): Promise<void> {
  const record = recordOf({ n: 1 }, { user: "ann", idleTimeout: 2 * HOUR });
  assertEquals(takeWarnings(), []);
  assertEquals(await store.load(ID, { touch: () => true }), record);
  const [warning, ...others] = takeWarnings();
  assertEquals(others, []);
  assertEquals([warning?.type, warning?.sessionId], ["unwritten", ID]);
  const start = `Cannot mark session ${ID} accessed: ${message}`;
  assertStringIncludes(warning!.message, start);
  assert(await store.has(ID));
  assertEquals(await store.load(EXPIRED_ID), undefined);
  const anns = await Array.fromAsync(store.entries({ user: "ann" }));
  assertEquals(anns.map(([id]) => id).sort(), [ID, OTHER_ID].sort());
  assertEquals((await Array.fromAsync(store.entries())).length, 2);
  // Once a minute, however many there are.
  assertEquals(takeWarnings(), []);

  const writes: (() => Promise<unknown>)[] = [
    () => store.save(ID, recordOf()),
    () => store.create(NEW_ID, recordOf()),
    () => store.create(NEW_ID, record),
    () => store.update(ID, (before) => ({ ...before, data: { n: 2 } })),
  ];
  for (const write of writes) await assertRejects(write, Error, message);
  assertEquals(await store.load(ID), record);
  assertEquals(await store.load(NEW_ID), undefined);
  const check = () => store.check();
  const error = await assertRejects(check, SessionStoreError, message);
  assertEquals(error.operation, "write");
  assertEquals((await scene.ask("KEYS", INDEXED) as string[]).length, 1);
}

testScene(
  "a full server answers reads, and takes logouts",
  async (scene) => {
    await using warned = await makeStore(scene);
    const { store } = warned;
    await scene.ask("CONFIG", "SET", "maxmemory", "1mb");
    await assertReads(warned, scene, "OOM");

    assertEquals(await store.update(ID, () => undefined), null);
    assertEquals(await store.delete(OTHER_ID), true);
    assertEquals(await store.load(ID), undefined);
    assertEquals(await scene.ask("KEYS", INDEXED), []);
    assertEquals((await store.deleteOldSessions(0)).remaining, 0);
    await scene.ask("CONFIG", "SET", "maxmemory", "0");
    await store.check();
  },
);

testScene(
  "a store that begins on a full server warns, and reads",
  async (scene) => {
    await scene.store.save(ID, recordOf({ n: 1 }));
    await scene.ask("CONFIG", "SET", "maxmemory", "1mb");
    const { port } = scene.server;
    const place = { port, client: "ioredis", isCluster: false } as const;
    await using connected = await connectRedis(place);
    const warnings: StoreWarning[] = [];
    const store = new RedisSessionStore(connected.client, {
      onWarning: (warning) => warnings.push(warning),
    });
    assertEquals((await store.load(ID))?.data, { n: 1 });
    assertEquals(warnings.map(({ type }) => type), ["setup"]);
    assertEquals(await store.delete(ID), true);
  },
);

testScene(
  "a manager on a full server serves, and signs out",
  async (scene) => {
    await using warned = await makeStore(scene);
    const events: SessionEvent[] = [];
    const sessions = new SessionManager({
      store: warned.store,
      idleTimeout: HOUR,
      touchAfter: 0,
      onEvent: (event) => void events.push(event),
    });
    const ask = async (cookie: string, path = "") => {
      const request = new Request(`http://localhost/${path}`, {
        headers: { cookie },
      });
      return await sessions.run(request, (session) => {
        if (path === "login") session.setUser("bob");
        if (path === "logout") session.destroy();
        return new Response(session.user ?? "none");
      });
    };
    const login = await ask("", "login");
    const cookie = login.headers.getSetCookie()[0]!.split(";")[0]!;
    await scene.ask("CONFIG", "SET", "maxmemory", "1mb");
    warned.now += 1;
    assertEquals(await (await ask(cookie)).text(), "bob");
    await assertRejects(() => ask("", "login"), Error, "OOM");
    assertEquals(await (await ask(cookie, "logout")).text(), "none");
    assertEquals(await (await ask(cookie)).text(), "none");
  },
);

testScene("a read-only standby answers reads", async (scene) => {
  await using warned = await makeStore(scene);
  const { store } = warned;
  await using master = await RedisServer.start();
  await scene.ask("CONFIG", "SET", "replica-read-only", "yes");
  // It keeps what it holds: the new master does not answer before it is named.
  await master.ask("REPLICAOF", "127.0.0.1", scene.server.port);
  await waitUntil("the new master has the sessions", async () => {
    return (await master.ask("DBSIZE")) === await scene.ask("DBSIZE");
  });
  await master.ask("REPLICAOF", "NO", "ONE");
  await scene.ask("REPLICAOF", "127.0.0.1", master.port);
  await waitUntil("the server is a replica", async () => {
    const role = await scene.ask("ROLE");
    return Array.isArray(role) && role[3] === "connected";
  });
  await assertReads(warned, scene, "READONLY");
  await assertRejects(() => store.delete(ID), Error, "READONLY");
  const logout = () => store.update(ID, () => undefined);
  await assertRejects(logout, Error, "READONLY");
  assert(await store.has(ID));

  await scene.ask("REPLICAOF", "NO", "ONE");
  await store.check();
  assertEquals(await store.delete(ID), true);
});

testScene(
  "a listing on a read-only standby leaves an old entry",
  async (scene) => {
    await using warned = await makeStore(scene);
    const { store, takeWarnings } = warned;
    const [index] = await scene.ask("KEYS", INDEXED) as string[];
    const old = `${NEW_ID}.${(Date.now() - 2 * HOUR).toString(36)}.1.never`;
    await scene.ask("ZADD", index!, "+inf", old);
    await scene.ask("REPLICAOF", "127.0.0.1", 1);
    const anns = await Array.fromAsync(store.entries({ user: "ann" }));
    assertEquals(anns.length, 2);
    const [warning] = takeWarnings();
    assertEquals([warning?.type, warning?.sessionId], ["unwritten", NEW_ID]);
    await scene.ask("REPLICAOF", "NO", "ONE");
    await Array.fromAsync(store.entries({ user: "ann" }));
    assertEquals(await scene.ask("ZCARD", index!), 2);
  },
);

testScene(
  "an aborted signal ends the wait for a hung server",
  async (scene) => {
    await using warned = await makeStore(scene);
    const { store } = warned;
    scene.server.pause();
    try {
      const reason = new Error("no longer wanted");
      const asks: ((signal: AbortSignal) => Promise<unknown>)[] = [
        (signal) => store.load(ID, { signal }),
        (signal) => store.load(ID, { signal, touch: () => true }),
        (signal) => store.update(ID, (record) => record, { signal }),
        (signal) => store.check({ signal }),
      ];
      for (const ask of asks) {
        const given = new AbortController();
        const asked = ask(given.signal);
        given.abort(reason);
        assertStrictEquals(await assertRejects(() => asked), reason);
      }
    } finally {
      scene.server.continue();
    }
    assertEquals((await store.load(ID))?.data, { n: 1 });
    await store.check();
  },
);
