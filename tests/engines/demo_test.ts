/** The demo on every engine, as `demo --store` starts it. */

import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { openDemoStore } from "../../src/demo/demo_store.ts";
import { CookieJar } from "../demo/cookie_jar.ts";
import { DemoServer, runDemo } from "../demo/demo_server.ts";
import { spawn, spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  missing as missingPostgres,
  PostgresServer,
} from "./postgres_server.ts";
import { missingRedis, RedisServer } from "./redis_server.ts";

/** Logs in, counts from ten requests at once, and logs out. */
async function tryOut(demo: DemoServer): Promise<void> {
  const browser = new CookieJar(demo.url);
  const origin = { origin: demo.url };
  await browser.post("/actions/login", { name: "ann" }, origin);
  await Promise.all(Array.from(
    { length: 10 },
    () => browser.copy().post("/actions/count", {}, origin),
  ));
  const { text } = await browser.get("/");
  assertMatch(text, /Hello, ann!/);
  assertMatch(text, /<p class="number">10<\/p>/);
  assertMatch(text, /<p>Record <code/);
  const before = browser.copy();
  await browser.post("/actions/logout", {}, origin);
  assertEquals(browser.cookie, undefined);
  assertMatch((await before.get("/")).text, /Not logged in/);
}

for (const kind of ["sqlite", "kv"]) {
  Deno.test(`the demo runs on ${kind}`, async () => {
    using directory = new TemporaryDirectory();
    const paths = `=${directory.path}`;
    await using demo = await DemoServer.startOn(
      kind,
      directory.join("sessions.db"),
      [
        "--unstable-kv",
        "--allow-net=localhost",
        `--allow-read${paths}`,
        `--allow-write${paths}`,
      ],
    );
    await tryOut(demo);
  });
}

const SERVERS = [
  {
    kind: "redis",
    missing: missingRedis,
    start: () => RedisServer.start(),
    where: (port: number) => `redis://127.0.0.1:${port}`,
  },
  {
    kind: "postgres",
    missing: missingPostgres,
    start: () => PostgresServer.start(),
    where: (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  },
];

for (const { kind, missing, start, where } of SERVERS) {
  Deno.test({
    name: `the demo runs on ${kind}`,
    ignore: missing !== undefined,
    fn: async () => {
      await using server = await start();
      await using demo = await DemoServer.startOn(
        kind,
        where(server.port),
        ["--allow-net=localhost,127.0.0.1", "--allow-env"],
      );
      await tryOut(demo);
    },
  });
}

const ON_A_SERVER = ["--allow-net=localhost,127.0.0.1", "--allow-env"];

for (const [kind, user] of [["redis", ":secret@"], ["postgres", "ann@"]]) {
  const argsFor = (
    where: string,
  ) => ["--store", kind!, "--at", where, "--port", "0"];

  Deno.test(`the demo gives up, and says why, when there is no ${kind}`, async () => {
    const where = `${kind}://${user}127.0.0.1:1/0`; // where nothing listens
    const { code, stdout, stderr } = await runDemo(argsFor(where), ON_A_SERVER);
    assertEquals([code, stdout], [1, ""]);
    assertEquals(
      stderr,
      `Cannot reach ${where.replace("secret", "***")}: connect ECONNREFUSED ` +
        "127.0.0.1:1 (start that server, or name another with --at URL)\n",
    );
  });

  Deno.test(`the demo ends at the first SIGTERM while it waits for ${kind}`, async () => {
    using hung = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const where = `${kind}://${user}127.0.0.1:${hung.addr.port}/0`;
    const flags = ON_A_SERVER;
    await using demo = spawn("src/demo/main.ts", argsFor(where), { flags });
    using _connection = await hung.accept();
    demo.kill("SIGTERM");
    const { code, signal, stdout, stderr } = await demo.end();
    assertEquals([code, signal, stdout, stderr], [143, undefined, "", ""]);
  });
}

Deno.test({
  name:
    "the demo fails requests while its redis is away, goes on with it, and ends at the first SIGTERM",
  ignore: missingRedis !== undefined,
  fn: async () => {
    await using server = await RedisServer.start();
    const where = `redis://127.0.0.1:${server.port}`;
    await using demo = await DemoServer.startOn("redis", where, ON_A_SERVER);
    const browser = new CookieJar(demo.url);
    await browser.post("/login", { name: "ann" });
    await server.stop();
    const { status, text } = await browser.get("/");
    assertEquals(status, 500);
    assertStringIncludes(text, "the terminal says what");
    await server.resume();
    // It connects again by itself.
    while ((await browser.post("/login", { name: "ann" })).status !== 200);
    await server.stop();
    demo.signal("SIGTERM");
    assertEquals((await demo.end()).code, 0);
  },
});

/** Holds the lock of a new database until a line comes. */
const HOLD = `
  import { DatabaseSync } from "node:sqlite";
  const database = new DatabaseSync(Deno.args[0]);
  database.exec("BEGIN IMMEDIATE");
  console.log("locked");
  await Deno.stdin.read(new Uint8Array(1));
  database.exec("ROLLBACK");
`;

Deno.test("the demo opens a Deno.Kv that another process is making, when that is done", async () => {
  using directory = new TemporaryDirectory();
  const path = directory.join("sessions.kv");
  await using holder = spawnDeno(["eval", HOLD, path]);
  await holder.expectLine("locked");
  await assertRejects(() => Deno.openKv(path), Error, "database is locked");
  const opening = openDemoStore("kv", path);
  await holder.writeLine();
  await using storage = await opening;
  await storage.store.setup();
  await holder.end();
});
