/** The index of a user's sessions in Redis, and its use by managers. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { SessionGoneError } from "../../src/core/errors.ts";
import { userTag } from "../../src/core/codec.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { connectRedis } from "./open_redis.ts";
import { assertAbout, type Scene, SLACK, testScene } from "./redis_scene.ts";

const DAY = 24 * HOUR;
const INDEX = `latchkey:user:{${userTag("ann")}}`;

async function idsOf(
  { store }: Pick<Scene, "store">,
  user: string,
): Promise<string[]> {
  const entries = await Array.fromAsync(store.entries({ user }));
  return entries.map(([id]) => id).sort();
}

/** Names the sessions that are in the index, whether they are there or not. */
async function indexed(scene: Scene): Promise<string[]> {
  const members = await scene.ask("ZRANGE", INDEX, 0, -1) as string[];
  return members.map((member) => member.split(".")[0]!);
}

testScene("the index goes with its last session", async (scene) => {
  const { store } = scene;
  const short = recordOf({}, { user: "ann", idleTimeout: HOUR });
  const long = recordOf({}, { user: "ann", idleTimeout: DAY });
  await store.save(ID, short);
  assertAbout(await scene.ttl(INDEX), HOUR + SLACK);
  await store.save(OTHER_ID, long);
  assertAbout(await scene.ttl(INDEX), DAY + SLACK);
  await store.touch(ID);
  assertAbout(await scene.ttl(INDEX), DAY + SLACK);
  await store.save(ID, recordOf({}, { user: "ann" }));
  assertEquals(await scene.ttl(INDEX), -1);
  await store.save(ID, short);
  assertAbout(await scene.ttl(INDEX), DAY + SLACK);
  assertEquals((await indexed(scene)).length, 2);
  await store.save(OTHER_ID, recordOf({}, { user: "ann" }));
  assertEquals(await scene.ttl(INDEX), -1);
  await store.delete(OTHER_ID);
  assertAbout(await scene.ttl(INDEX), HOUR + SLACK);
  await store.save(OTHER_ID, long);
  await store.delete(ID);
  assertEquals(await indexed(scene), [OTHER_ID]);
  await store.delete(OTHER_ID);
  assertEquals(await scene.keys(), []);
});

testScene(
  "a session saved again for its user keeps its entry, and nothing late shortens that",
  async (scene) => {
    const { store } = scene;
    const entry = () => scene.ask("ZRANGE", INDEX, 0, -1, "WITHSCORES");
    const save = (idleTimeout: number) =>
      store.save(ID, recordOf({}, { user: "ann", idleTimeout }));
    await save(HOUR);
    const [member] = await entry() as string[];
    scene.take();
    await save(2 * HOUR);
    const late = scene.take();
    await save(DAY);
    const before = await entry() as string[];
    assertEquals(before[0], member);
    // Commands that a client sends again after it lost its connection.
    for (const [name, ...args] of late) await scene.ask(name!, ...args);
    await store.update(ID, (record) => ({ ...record, idleTimeout: HOUR }));
    assertEquals(await entry(), before);
  },
);

testScene(
  "the index is kept by the clock of Redis, however wrong that of a server is",
  async (scene) => {
    const { port } = scene.server;
    await using connected = await connectRedis({
      port,
      client: "redis",
      isCluster: false,
    });
    const { now } = Date;
    const record = recordOf({}, { user: "ann", idleTimeout: HOUR });
    try {
      for (const behind of [DAY, -DAY]) {
        Date.now = () => now() - behind;
        const store = new RedisSessionStore(connected.client);
        await store.save(ID, record);
        assertEquals(await idsOf({ store }, "ann"), [ID]);
        assertAbout(await scene.ttl(INDEX), HOUR + SLACK);
        await store.touch(ID);
        assertEquals(await idsOf({ store }, "ann"), [ID]);
        await store.delete(ID);
      }
    } finally {
      Date.now = now;
    }
  },
);

testScene(
  "a touch prolongs the index with the session",
  async (scene) => {
    const { store } = scene;
    await store.save(ID, recordOf({}, { user: "ann", idleTimeout: DAY }));
    await scene.ask("PEXPIRE", INDEX, HOUR);
    await store.touch(ID);
    assertAbout(await scene.ttl(INDEX), DAY + SLACK);
    const key = `latchkey:{${ID}}`;
    assert(await scene.ttl(INDEX) >= await scene.ttl(key) - 1_000);
  },
);

testScene(
  "an expired session leaves the index when the next session comes",
  async (scene) => {
    const { store } = scene;
    const record = recordOf({}, { user: "ann", idleTimeout: HOUR });
    await store.save(ID, record);
    const [member] = await scene.ask("ZRANGE", INDEX, 0, -1) as string[];
    await scene.ask("ZADD", INDEX, Date.now() - 1, member!);
    await scene.ask("DEL", `latchkey:{${ID}}`);
    await store.save(OTHER_ID, record);
    assertEquals(await indexed(scene), [OTHER_ID]);
  },
);

testScene("an index that was lost comes back with a touch", async (scene) => {
  const { store } = scene;
  await store.save(ID, recordOf({}, { user: "ann" }));
  await scene.ask("DEL", INDEX);
  assertEquals(await idsOf(scene, "ann"), []);
  await store.touch(ID);
  assertEquals(await idsOf(scene, "ann"), [ID]);
});

testScene("a login that fails leaves the index", async (scene) => {
  const { store } = scene;
  await store.save(ID, recordOf());
  assertEquals(
    await store.create(ID, recordOf({}, { user: "ann" })),
    false,
  );
  await store.load(ID);
  await scene.ask("SETRANGE", `latchkey:{${ID}}`, 0, "0".repeat(11));
  const login = store.update(ID, (record) => ({ ...record, user: "ann" }));
  assertEquals((await login)?.user, "ann");
  assertEquals(await indexed(scene), [ID]);
  await store.update(ID, ({ user: _user, ...rest }) => rest);
  assertEquals(await scene.keys(), [`latchkey:{${ID}}`]);
});

testScene(
  "a logout does not remove the entry of a concurrent login",
  async (scene) => {
    const { store } = scene;
    await store.save(ID, recordOf({}, { user: "ann" }));
    const [old] = await scene.ask("ZRANGE", INDEX, 0, -1) as string[];
    await store.update(ID, ({ user: _user, ...rest }) => rest);
    await store.update(ID, (record) => ({ ...record, user: "ann" }));
    // The last command of the logout, late.
    await scene.ask("ZREM", INDEX, old!);
    assertEquals(await idsOf(scene, "ann"), [ID]);
  },
);

testScene(
  "a listing removes the entries that a killed process left, unless they are new",
  async (scene) => {
    const { store } = scene;
    await store.save(ID, recordOf({}, { user: "ann" }));
    const memberOf = (at: number) => `${OTHER_ID}.${at.toString(36)}.1`;
    const fresh = memberOf(Date.now());
    for (const member of [fresh, memberOf(Date.now() - 2 * HOUR)]) {
      await scene.ask("ZADD", INDEX, "+inf", member);
    }
    assertEquals(await idsOf(scene, "ann"), [ID]);
    const left = await scene.ask("ZRANGE", INDEX, 0, -1) as string[];
    assertEquals(left.length, 2);
    assert(left.includes(fresh));
  },
);

testScene(
  "a listing of more sessions than one command gives lists each once",
  async (scene) => {
    const { store } = scene;
    const ids = Array.from({ length: 1_000 }, (_, n) => `session-number-${n}`);
    await Promise.all(
      ids.map((id) => store.save(id, recordOf({}, { user: "ann" }))),
    );
    assertEquals(await idsOf(scene, "ann"), ids.sort());
    const all = await Array.fromAsync(store.entries());
    assertEquals(new Set(all.map(([id]) => id)).size, 1_000);
  },
);

type Data = { n: number };

/** A manager, and one session of each of these users. */
async function signIn(
  scene: Scene,
  users: readonly string[],
): Promise<{ manager: SessionManager<Data>; cookies: string[] }> {
  const { store } = scene;
  const manager = new SessionManager<Data>({ store });
  const cookies = await Promise.all(users.map(async (user) => {
    const session = await open(manager);
    session.setUser(user);
    const headers = new Headers();
    await manager.commit(session, headers);
    return headers.get("set-cookie")!.split(";")[0]!;
  }));
  scene.take();
  return { manager, cookies };
}

async function open(
  manager: SessionManager<Data>,
  cookie = "",
): Promise<Session<Data>> {
  const request = new Request("http://localhost/", { headers: { cookie } });
  return await manager.open(request);
}

testScene(
  "sessionsOf() and revokeUser() cost nothing for a thousand others",
  async (scene) => {
    const others = Array.from({ length: 1_000 }, (_, n) => `user ${n}`);
    const { manager } = await signIn(scene, [...others, "ann", "ann", "ann"]);
    assertEquals((await manager.sessionsOf("ann")).length, 3);
    // The revocation, the index, and each session.
    assertEquals(scene.take().map(([name]) => name), [
      "GET",
      "ZSCAN",
      "GET",
      "GET",
      "GET",
    ]);
    assertEquals(await manager.revokeUser("ann"), 3);
    assert(scene.take().length < 20);
    assertEquals(await manager.sessionsOf("ann"), []);
    assertEquals((await manager.sessionsOf("user 7")).length, 1);
  },
);

testScene(
  "a commit after a logout does not revive the session",
  async (scene) => {
    const { manager, cookies } = await signIn(scene, ["ann", "bob"]);
    const late = await Promise.all(
      cookies.map((cookie) => open(manager, cookie)),
    );
    const logout = await open(manager, cookies[0]);
    logout.destroy();
    await manager.commit(logout, new Headers());
    await manager.revokeUser("bob");
    const before = await scene.keys();
    for (const session of late) {
      session.set("n", 1);
      await assertRejects(
        () => manager.commit(session, new Headers()),
        SessionGoneError,
      );
    }
    assertEquals(await scene.keys(), before);
  },
);
