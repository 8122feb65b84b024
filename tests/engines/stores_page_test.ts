/** The examples of `docs/stores.md`, each with the permissions that it names. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import { listUnrun, PAGES, ROOT } from "../pages.ts";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  missing as missingPostgres,
  PostgresServer,
} from "./postgres_server.ts";
import { missingRedis, RedisServer } from "./redis_server.ts";

const PAGE = PAGES["docs/stores.md"]!;

/** What the page calls the servers. */
const REDIS = "redis.internal:6379";
const POSTGRES = "db.internal:5432";

/** Signs a user in, looks, and signs out. */
const USE = `
const request = (cookie = "") =>
  new Request("http://localhost/", { headers: { cookie } });
const login = await sessions.run(request(), (session) => {
  session.setUser("ann");
  return new Response();
});
const [cookie = ""] = login.headers.getSetCookie()[0]?.split(";") ?? [];
const page = await sessions.run(request(cookie), (session) => {
  const { user } = session;
  session.destroy();
  return new Response(user);
});
console.log(await page.text(), (await sessions.sessionsOf("ann")).length);
Deno.exit();
`;

for (const { name, code } of listUnrun("docs/stores.md")) {
  // The others have no name.
  if (/^\d/.test(name)) continue;
  const [, flags = ""] = new RegExp(
    `^// ${name}\n.*?\nPermissions: \`(.*?)\``,
    "ms",
  ).exec(PAGE) ?? [];
  const isRedis = flags.includes(REDIS);
  const isPostgres = flags.includes(POSTGRES);
  Deno.test({
    name: `docs/stores.md: ${name} runs with the permissions it names`,
    ignore: isRedis && missingRedis !== undefined ||
      isPostgres && missingPostgres !== undefined,
    fn: async () => {
      await using stack = new AsyncDisposableStack();
      const directory = stack.use(new TemporaryDirectory());
      directory.writeFiles({ [name]: code + USE });
      const env: Record<string, string> = {};
      let address = "";
      if (isRedis) {
        const { port } = stack.use(await RedisServer.start());
        address = `127.0.0.1:${port}`;
        env["REDIS_URL"] = `redis://${address}`;
      }
      if (isPostgres) {
        const { port } = stack.use(await PostgresServer.start());
        address = `127.0.0.1:${port}`;
        env["DATABASE_URL"] = `postgres://postgres@${address}/postgres`;
      }
      const ending = await spawnDeno([
        ...["run", "--quiet", "--no-prompt", "--no-check"],
        `--config=${ROOT}deno.json`,
        ...flags.replace(REDIS, address).replace(POSTGRES, address).split(" "),
        name,
      ], { cwd: directory.path, env }).end();
      assertEquals(ending.stdout, "ann 0\n", ending.stderr);
      assertEquals(ending.code, 0);
    },
  });
}

Deno.test("docs/stores.md: every store is shown", () => {
  const names = listUnrun("docs/stores.md").map(({ name }) => name);
  for (
    const name of [
      "directory.ts",
      "sqlite.ts",
      "kv.ts",
      "redis.ts",
      "ioredis.ts",
      "pg.ts",
      "postgres.ts",
    ]
  ) assert(names.includes(name), name);
});

Deno.test("docs/stores.md: the SQL is what setupSql() returns", () => {
  assertStringIncludes(
    PAGE,
    PostgresSessionStore.setupSql("app", { schema: "web" }),
  );
});

Deno.test("docs/stores.md: the rights are those of the store's documentation", () => {
  const source = Deno.readTextFileSync(`${ROOT}src/engines/redis.ts`);
  const [inSource, onPage] = [source, PAGE].map((text) =>
    /~latchkey:\*.*?```/s.exec(text)![0].match(/\+\w+/g)
  );
  assertEquals(onPage, inSource);
});
