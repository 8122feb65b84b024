/** Servers over stores on engines that stop to answer, over real sockets. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { SessionStoreTimeoutError } from "../../src/core/errors.ts";
import type {
  LoadOptions,
  RecordChange,
  UpdateOptions,
} from "../../src/core/store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";
import {
  HOUR,
  ID,
  MINUTE,
  OTHER_ID,
  recordOf,
  requestOf,
  SECRET,
} from "../constants.ts";
import { connectByPg } from "./open_postgres.ts";
import { connectRedis } from "./open_redis.ts";
import { PostgresScene } from "./postgres_scene.ts";
import { missingRedis, RedisServer, waitUntil } from "./redis_server.ts";
import { spawn } from "../spawn.ts";
import {
  Browser,
  type Route,
  serve,
  type SessionServer,
} from "../manager/session_server.ts";

const HUNG_SERVER = new URL("./hung_server.ts", import.meta.url);
/** In ms: also a busy machine answers in that time what it can answer. */
const TIMEOUT = 2_000;
const TOKEN = `${ID}${SECRET}`;
const ignore = missingRedis !== undefined;

/** What happens when the handler of `/hung` has run. */
const MOMENT = { begin: () => {} };

const ROUTES: Record<string, Route> = {
  "/sign-in": (session) => {
    session.setUser("ann");
    return new Response();
  },
  "/count": (session) =>
    new Response(`${session.update("n", (n = 0) => n + 1)}`),
  "/hung": (session) => {
    session.update("n", (n = 0) => n + 1);
    session.regenerate();
    MOMENT.begin();
    return new Response();
  },
  "/": (session) => new Response(`${session.get("n")}`),
  "/sign-out": (session) => {
    session.destroy();
    return new Response();
  },
};

/** Lets no statement on a table go on, until it is freed. */
async function lockTable(
  port: number,
  table: string,
): Promise<AsyncDisposable & { free(): Promise<unknown> }> {
  const { client, ...rest } = connectByPg(port, { max: 1 });
  await client.query("BEGIN");
  await client.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  return { ...rest, free: () => client.query("ROLLBACK") };
}

/** Serves sessions in a Redis of its own, and signs a browser in. */
async function open(
  client: "redis" | "ioredis",
  options: Partial<SessionManagerOptions> = {},
): Promise<
  AsyncDisposable & {
    readonly redis: RedisServer;
    readonly server: SessionServer;
    readonly browser: Browser;
  }
> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await RedisServer.start());
  const { port } = redis;
  const connected = stack.use(
    await connectRedis({ port, client, isCluster: false }, () => {}),
  );
  const store = new RedisSessionStore(connected.client);
  const server = stack.use(
    await serve("memory", ROUTES, { store, storeTimeout: TIMEOUT, ...options }),
  );
  const browser = new Browser(server);
  await browser.get("/sign-in");
  await browser.get("/count");
  const opened = stack.move();
  return {
    redis,
    server,
    browser,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

for (const client of ["redis", "ioredis"] as const) {
  Deno.test({
    name:
      `while npm:${client} gets no answer each request fails in time, and the next one works when it does`,
    ignore,
    fn: async () => {
      await using scene = await open(client);
      const { redis, server, browser } = scene;
      const { cookie } = browser;
      redis.pause();
      const paths = ["/", "/count", "/sign-out", "/sign-in"];
      const asked = [...paths, ...paths].map((path) =>
        server.get(path, cookie)
      );
      for (const answer of await Promise.all(asked)) {
        assertEquals(answer.status, 500);
        assertEquals(answer.headers.getSetCookie(), []);
        await answer.body?.cancel();
      }
      assertEquals(server.errors.length, asked.length);
      for (const error of server.errors) {
        assert(error instanceof SessionStoreTimeoutError, `${error}`);
        assertEquals([error.timeout, error.outcome], [TIMEOUT, "none"]);
      }
      await assertRejects(
        () => server.store.check({ signal: AbortSignal.timeout(TIMEOUT) }),
        DOMException,
      );
      redis.continue();
      assertEquals(await browser.get("/count"), "2");
    },
  });

  Deno.test({
    name:
      `a commit to which npm:${client} gets no answer is not tried again, and sends no cookie`,
    ignore,
    fn: async () => {
      await using scene = await open(client);
      const { redis, server } = scene;
      const browser = new Browser(server);
      await browser.get("/count");
      const id = browser.cookie!.split("=")[1]!.slice(0, 32);
      MOMENT.begin = () => redis.pause();
      const answer = await server.get("/hung", browser.cookie);
      await answer.body?.cancel();
      assertEquals(answer.status, 500);
      assertEquals(answer.headers.getSetCookie(), []);
      const [error] = server.errors;
      assert(error instanceof SessionStoreTimeoutError);
      assertEquals(error.outcome, "unknown");
      redis.continue();
      // It was on its way, and lands now: once.
      await waitUntil(
        "the write lands",
        async () => (await server.store.load(id))?.data.n === 2,
      );
      assertEquals((await server.store.load(id))?.commits, 1);
      // Its secret was sent to no browser.
      assertEquals(await browser.get("/"), "undefined");
    },
  });
}

const postgres = new PostgresScene();

postgres.test("under a manager, while the server gets no statement done each request fails in time, and the next one works when it does", async (driver) => {
  await using opened = await postgres.open(driver);
  const { store, table } = opened;
  await using server = await serve("memory", ROUTES, {
    store,
    storeTimeout: TIMEOUT,
  });
  const browser = new Browser(server);
  await browser.get("/sign-in");
  await browser.get("/count");
  const { cookie } = browser;
  {
    // As many as the pool has connections, and more.
    await using locker = await lockTable(postgres.server.port, table);
    const paths = ["/", "/count", "/sign-out", "/sign-in"];
    const asked = [...paths, ...paths].map((path) => server.get(path, cookie));
    for (const answer of await Promise.all(asked)) {
      assertEquals(answer.status, 500);
      assertEquals(answer.headers.getSetCookie(), []);
      await answer.body?.cancel();
    }
    assertEquals(server.errors.length, asked.length);
    for (const error of server.errors) {
      assert(error instanceof SessionStoreTimeoutError, `${error}`);
      assertEquals(error.outcome, "none");
    }
    await locker.free();
  }
  assertEquals(await browser.get("/count"), "2");
});

Deno.test({
  name:
    "a process that is told to end while Redis hangs answers what it was asked, and ends",
  ignore,
  fn: async () => {
    await using redis = await RedisServer.start();
    await using child = spawn(HUNG_SERVER, [`${redis.port}`, `${TIMEOUT}`], {
      flags: ["--allow-net=127.0.0.1", "--allow-env", "--allow-read"],
    });
    const url = `http://127.0.0.1:${await child.readLine()}/`;
    const begun = await fetch(url);
    await begun.body?.cancel();
    await child.expectLine("asked 1");
    const cookie = begun.headers.getSetCookie()[0]!.split(";")[0]!;
    redis.pause();
    const asked: Promise<string>[] = [];
    for (let n = 2; n < 50; n++) {
      const answer = fetch(url, { headers: { cookie } });
      asked.push(answer.then((response) => response.text()));
    }
    for (let n = 2; n < 50; n++) await child.expectLine(`asked ${n}`);
    child.kill("SIGTERM");
    assertEquals(
      new Set(await Promise.all(asked)),
      new Set(["SessionStoreTimeoutError"]),
    );
    assertEquals((await child.end()).code, 0);
    redis.continue();
  },
});

/** A store whose calls and listings are answered when a test says so. */
class Unanswered extends MemorySessionStore {
  isHung = false;
  isWriteHung = false;
  updates = 0;
  readonly signals: (AbortSignal | undefined)[] = [];

  constructor() {
    super();
    Object.defineProperty(this, "isBounded", { value: false });
  }

  override load(id: string, options: LoadOptions = {}) {
    this.signals.push(options.signal);
    return this.isHung ? new Promise<never>(() => {}) : super.load(id, options);
  }

  /** Gets as far as the write, which is not answered. */
  override async update(
    id: string,
    change: RecordChange,
    options?: UpdateOptions,
  ) {
    this.updates++;
    if (!this.isWriteHung) return await super.update(id, change, options);
    change((await super.load(id))!);
    return await new Promise<never>(() => {});
  }

  override async *entries() {
    yield [ID, recordOf({}, { user: "ann" }), 1] as const;
    if (this.isHung) await new Promise(() => {});
    yield [OTHER_ID, recordOf({}, { user: "ann" }), 2] as const;
  }
}

Deno.test("a listing is bounded step by step, and a call that gave up is told so", async () => {
  const store = new Unanswered();
  const manager = new SessionManager({ store, storeTimeout: 50 });
  assertEquals((await manager.sessionsOf("ann")).length, 2);
  store.isHung = true;
  const calls = [
    manager.sessionsOf("ann"),
    manager.hasSession(ID),
    manager.open(requestOf(TOKEN)),
  ];
  for (const call of await Promise.allSettled(calls)) {
    assert(call.status === "rejected");
    assert(call.reason instanceof SessionStoreTimeoutError);
    assertStringIncludes(call.reason.message, "after 50 ms");
  }
  assertEquals(store.signals.at(-1)?.aborted, true);
});

Deno.test("the wait for an exclusive lock is not bounded by storeTimeout", async () => {
  const store = new Unanswered();
  const manager = new SessionManager<{ n: number }>({
    store,
    storeTimeout: 50,
    isolation: "exclusive",
  });
  const begun = await manager.run(requestOf(), (session) => {
    session.set("n", 1);
    return new Response();
  });
  const cookie = begun.headers.getSetCookie()[0]!.split(";")[0]!;
  const request = () =>
    new Request("http://localhost/", { headers: { cookie } });
  const first = await manager.open(request());
  const second = manager.open(request());
  await new Promise((resolve) => setTimeout(resolve, 100));
  await manager.close(first);
  assertEquals((await second).get("n"), 1);
  await manager.close(await second);
});

Deno.test("a commit with a step of the rotation that gets no answer is not tried again", async () => {
  let now = Date.now();
  const store = new Unanswered();
  const manager = new SessionManager<{ n: number }>({
    store,
    storeTimeout: 50,
    rotateEvery: MINUTE,
    now: () => now,
  });
  const visit = (
    cookie: string,
    act: (session: Session<{ n: number }>) => void,
  ) =>
    manager.run(
      new Request("http://localhost/", { headers: { cookie } }),
      (session) => {
        act(session);
        return new Response();
      },
    );
  const begun = await visit("", (session) => session.set("n", 1));
  const cookie = begun.headers.getSetCookie()[0]!.split(";")[0]!;
  now += MINUTE;
  store.isWriteHung = true;
  store.updates = 0;
  await assertRejects(
    () => visit(cookie, (session) => session.set("n", 2)),
    SessionStoreTimeoutError,
  );
  assertEquals(store.updates, 1);
  // Upkeep alone fails no request.
  const answer = await visit(cookie, (session) => session.get("n"));
  assertEquals([answer.status, answer.headers.getSetCookie()], [200, []]);
  assertEquals(store.updates, 2);
});

Deno.test("a storeTimeout of months is not over at once", async () => {
  const store = new Unanswered();
  store.load = async (_id, options = {}) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    options.signal?.throwIfAborted();
    return undefined;
  };
  const manager = new SessionManager({ store, storeTimeout: 2 ** 32 });
  assertEquals((await manager.open(requestOf(TOKEN))).isNew, true);
});

Deno.test("what a store throws before it has begun leaves no timer, and is thrown", async () => {
  const store = new Unanswered();
  store.load = () => {
    throw new TypeError("not now");
  };
  const manager = new SessionManager({ store, storeTimeout: 50 });
  const call = () => manager.open(requestOf(TOKEN));
  await assertRejects(call, TypeError, "not now");
  // An error that nothing catches would end the process now.
  await new Promise((resolve) => setTimeout(resolve, 100));
});

Deno.test("an exclusive request that gets no answer lets the next one have the session", async () => {
  const store = new Unanswered();
  const manager = new SessionManager<{ n: number }>({
    store,
    storeTimeout: 50,
    isolation: "exclusive",
  });
  const count = (cookie = "") =>
    manager.run(
      new Request("http://localhost/", { headers: { cookie } }),
      (session) => {
        session.update("n", (n = 0) => n + 1);
        return new Response();
      },
    );
  const begun = await count();
  const cookie = begun.headers.getSetCookie()[0]!.split(";")[0]!;
  store.isWriteHung = true;
  const waiting = [count(cookie), count(cookie), count(cookie)];
  for (const { status } of await Promise.allSettled(waiting)) {
    assertEquals(status, "rejected");
  }
  store.isWriteHung = false;
  assertEquals((await count(cookie)).status, 200);
});

for (const client of ["redis", "ioredis"] as const) {
  Deno.test({
    name: `a manager on npm:${client} leaves no timer and no listener`,
    ignore,
    sanitizeOps: true,
    sanitizeResources: true,
    fn: async () => {
      await using scene = await open(client, { storeTimeout: HOUR });
      const { browser, server } = scene;
      const { cookie } = browser;
      const flows = Array.from(
        { length: 20 },
        () => new Browser(server, cookie).get("/count"),
      );
      await Promise.all(flows);
      for await (const _entry of server.store.entries({ user: "ann" })) break;
      assertEquals((await server.manager.sessionsOf("ann")).length, 1);
      assertEquals(await server.manager.revokeUser("ann"), 1);
    },
  });
}
