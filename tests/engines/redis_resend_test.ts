/** Commands that a client sends again after it lost its connection. */

import { assert, assertEquals } from "@std/assert";
import { Redis } from "npm:ioredis@5.11.1";
import { SessionGoneError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { ID, recordOf } from "../constants.ts";
import { CutConnection } from "./cut_connection.ts";
import { type Scene, testScene } from "./redis_scene.ts";

const KEY = `latchkey:{${ID}}`;
const GONE = `${KEY}:gone`;
const MINUTE = 60_000;
/** How many numbers a session keeps. */
const KEPT = 8;

function increment(record: SessionRecord): SessionRecord {
  return { ...record, data: { n: Number(record.data.n) + 1 } };
}

/** A store whose client sends a script again. */
interface SendsAgain {
  readonly again: RedisSessionStore;
  /** Makes it send the next script again, after something else happened. */
  sendNext(meanwhile: () => Promise<unknown>): void;
}

/** Declares a test with a store that sends again, and another one. */
function testAgain(
  title: string,
  run: (stores: SendsAgain, scene: Scene) => Promise<void>,
): void {
  testScene(title, async (scene) => {
    const io = new Redis({ host: "127.0.0.1", port: scene.server.port });
    let meanwhile: (() => Promise<unknown>) | undefined;
    const again = new RedisSessionStore({
      call: async (command, ...args) => {
        const answer = await io.call(command, ...args);
        if (meanwhile === undefined || command !== "EVALSHA") return answer;
        const happen = meanwhile;
        meanwhile = undefined;
        await happen();
        return await io.call(command, ...args);
      },
    });
    try {
      await again.setup();
      await run({ again, sendNext: (next) => meanwhile = next }, scene);
      assertEquals(meanwhile, undefined);
    } finally {
      io.disconnect();
    }
  });
}

testAgain(
  "a write that is sent again takes effect once",
  async ({ again, sendNext }, scene) => {
    const { store } = scene;
    for (let others = 0; others < KEPT; others++) {
      await store.save(ID, recordOf({ n: 0 }));
      sendNext(async () => {
        for (let n = 0; n < others; n++) await store.update(ID, increment);
      });
      assertEquals((await again.update(ID, increment))?.data, { n: 1 });
      assertEquals((await store.load(ID))?.data, { n: 1 + others });
    }
    const [, , past] = String(await scene.ask("GET", KEY)).split(" ");
    assertEquals(past!.length, (KEPT - 1) * 11);
  },
);

testAgain(
  "a write that is sent again after a removal is done, and revives nothing",
  async ({ again, sendNext }, { store }) => {
    const writes: (() => Promise<unknown>)[] = [
      () => again.create(ID, recordOf({ n: 0 })),
      () => again.update(ID, increment),
      () => again.save(ID, recordOf({ n: 5 })),
    ];
    const remove = async () => {
      await store.update(ID, increment);
      assertEquals(await store.delete(ID), true);
    };
    for (const isCreated of [false, true]) {
      for (const write of writes) {
        if (write === writes[0]) await store.delete(ID);
        else await store.save(ID, recordOf({ n: 7 }));
        sendNext(async () => {
          await remove();
          if (isCreated) await store.create(ID, recordOf({ n: 1 }));
        });
        assert(await write() !== false);
        const left = isCreated ? recordOf({ n: 1 }) : undefined;
        assertEquals(await store.load(ID), left);
      }
    }
  },
);

testAgain(
  "a removal that is sent again is answered as before, and removes no other session",
  async ({ again, sendNext }, { store }) => {
    const removals: (() => Promise<unknown>)[] = [
      async () => assertEquals(await again.delete(ID), true),
      async () => assertEquals(await again.update(ID, () => undefined), null),
    ];
    for (const remove of removals) {
      await store.save(ID, recordOf({ n: 1 }));
      sendNext(() => Promise.resolve());
      await remove();
      assertEquals(await store.has(ID), false);

      await store.save(ID, recordOf({ n: 1 }));
      sendNext(() => store.create(ID, recordOf({ n: 2 })));
      await remove();
      assertEquals(await store.load(ID), recordOf({ n: 2 }));
    }
    await store.save(ID, recordOf({}, { expiresAt: 1 }));
    sendNext(() => Promise.resolve());
    assertEquals(await again.delete(ID), false);
    sendNext(() => Promise.resolve());
    assertEquals(await again.delete(ID), false);
  },
);

testScene(
  "what a removal leaves goes within a minute, and is no session",
  async (scene) => {
    const { store } = scene;
    await store.save(ID, recordOf({}, { user: "ann" }));
    assertEquals(await store.delete(ID), true);
    const life = await scene.ttl(GONE);
    assert(life > 0 && life <= MINUTE);
    assertEquals(await store.load(ID), undefined);
    assertEquals(await store.delete(ID), false);
    assertEquals(await Array.fromAsync(store.entries()), []);
    assertEquals((await store.deleteOldSessions(0)).remaining, 0);
    assert(await scene.ttl(GONE) <= life);
  },
);

testScene(
  "text that is not a session is replaced and removed",
  async (scene) => {
    const { store } = scene;
    const texts = ["x", "é".repeat(100), `${"0".repeat(11)} é`];
    // These have spaces where a session has them, as characters or as bytes.
    for (const letter of ["A", "é"]) {
      const [number, access] = [11, 16].map((n) => letter.repeat(n));
      texts.push(`${number} ${access}  ${letter}`, `${number} ${access}   {}`);
    }
    for (const text of texts) {
      await scene.ask("SET", KEY, text);
      assertEquals(await store.load(ID), undefined);
      await store.save(ID, recordOf());
      assertEquals(await store.load(ID), recordOf());
      await scene.ask("SET", KEY, text);
      assertEquals(await store.create(ID, recordOf()), true);
      await scene.ask("SET", KEY, text);
      assertEquals(await store.delete(ID), false);
      assertEquals(await scene.keys(), []);
    }
  },
);

type Data = { n: number };

/** A manager behind a network that can be cut, and another one. */
interface Servers {
  readonly cut: CutConnection;
  readonly here: SessionManager<Data>;
  readonly there: SessionManager<Data>;
  readonly stores: readonly [RedisSessionStore, RedisSessionStore];
}

/** Declares a test of two servers; `npm:ioredis` as it is by default. */
function testServers(
  title: string,
  run: (servers: Servers) => Promise<void>,
): void {
  testScene(`npm:ioredis sends again: ${title}`, async ({ server }) => {
    const cut = new CutConnection(server.port);
    await using _cut = cut;
    const clients = [cut.port, server.port].map((port) =>
      new Redis({ host: "127.0.0.1", port })
    );
    try {
      const stores = clients.map((client) => new RedisSessionStore(client)) as [
        RedisSessionStore,
        RedisSessionStore,
      ];
      const [here, there] = stores.map((store) =>
        new SessionManager<Data>({ store })
      ) as [SessionManager<Data>, SessionManager<Data>];
      // So that the next script is the one that is meant.
      await stores[0].setup();
      await run({ cut, here, there, stores });
    } finally {
      for (const client of clients) client.disconnect();
    }
  });
}

function requestOf(cookie: string): Request {
  return new Request("http://localhost/", { headers: { cookie } });
}

/** Begins a session, and returns its cookie. */
async function begin(manager: SessionManager<Data>): Promise<string> {
  const response = await manager.run(requestOf(""), (session) => {
    session.set("n", 0);
    return new Response();
  });
  return response.headers.getSetCookie()[0]!.split(";")[0]!;
}

async function count(
  manager: SessionManager<Data>,
  cookie: string,
): Promise<void> {
  await manager.run(requestOf(cookie), (session) => {
    session.update("n", (n = 0) => n + 1);
    return new Response();
  });
}

testServers(
  "an increment and another server's count two",
  async ({ cut, here, there }) => {
    const cookie = await begin(here);
    cut.cutNext(() => count(there, cookie));
    await count(here, cookie);
    assert(cut.hasCut);
    const session = await there.open(requestOf(cookie));
    assertEquals(session.get("n"), 2);
  },
);

testServers(
  "the only submission of a form is accepted",
  async ({ cut, here, there }) => {
    const cookie = await begin(here);
    let token = "";
    await here.run(requestOf(cookie), (session) => {
      token = session.createFormToken();
      return new Response();
    });
    const session = await here.open(requestOf(cookie));
    cut.cutNext(() => count(there, cookie));
    assertEquals(await here.consumeFormToken(session, token), true);
    assert(cut.hasCut);
    const other = await there.open(requestOf(cookie));
    assertEquals(other.hasFormToken(token), false);
  },
);

testServers(
  "what it removed is removed, and said to be",
  async ({ cut, here, there }) => {
    const cookie = await begin(here);
    const { id } = await here.open(requestOf(cookie));
    cut.cutNext(() => Promise.resolve());
    assertEquals(await here.expire(id), true);
    assert(cut.hasCut);
    assertEquals(await there.hasSession(id), false);

    const next = await begin(here);
    cut.cutNext(() => count(there, next).catch(assertGone));
    const answer = await here.run(requestOf(next), (session) => {
      session.destroy();
      return new Response();
    });
    assert(cut.hasCut);
    assert(answer.headers.getSetCookie()[0]!.includes("Max-Age=0"));
  },
);

function assertGone(error: unknown): void {
  assert(error instanceof SessionGoneError);
}

testServers(
  "what another server has removed stays removed",
  async ({ cut, stores: [here, there] }) => {
    cut.cutNext(() => there.delete(ID));
    assertEquals(await here.create(ID, recordOf()), true);
    assert(cut.hasCut);
    assertEquals(await there.has(ID), false);

    await there.save(ID, recordOf({ n: 0 }));
    cut.cutNext(() => there.delete(ID));
    assertEquals((await here.update(ID, increment))?.data, { n: 1 });
    assert(cut.hasCut);
    assertEquals(await there.has(ID), false);
  },
);
