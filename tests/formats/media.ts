/** What stores keep, as text: of a directory its files, of an engine its rows. */

import { ensureDirSync } from "@std/fs/ensure-dir";
import { dirname } from "@std/path/dirname";
import { DatabaseSync } from "node:sqlite";
import type { SessionStore } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { KvSessionStore } from "../../src/engines/kv.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import {
  type PostgresQuery,
  queryOf,
} from "../../src/engines/postgres_client.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import {
  connectionOf,
  type RedisConnection,
} from "../../src/engines/redis_client.ts";
import { connect } from "../engines/open_postgres.ts";
import { connectRedis } from "../engines/open_redis.ts";
import type { PostgresServer } from "../engines/postgres_server.ts";
import type { RedisServer } from "../engines/redis_server.ts";
import { stopClock } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

/** A medium, until it is disposed. */
export interface OpenedMedium extends AsyncDisposable {
  readonly store: SessionStore;
  /** Writes down what the medium holds, for {@linkcode Medium.open}. */
  dump(): Promise<string>;
}

/** A kind of medium. */
export interface Medium {
  /** The file that holds the text. */
  readonly file: string;
  /**
   * Opens one that holds what a text says.
   *
   * @param text What `dump` wrote; `undefined` for nothing.
   * @param now The clock, in ms since the epoch.
   */
  open(text: string | undefined, now: number): Promise<OpenedMedium>;
}

/** An object with a path for each file, and its content. */
const directoryMedium: Medium = {
  file: "directory.json",
  open: (text = "{}", now) => {
    const directory = new TemporaryDirectory();
    const clock = stopClock(now);
    for (const [path, content] of Object.entries<string>(JSON.parse(text))) {
      const file = directory.join(path);
      ensureDirSync(dirname(file));
      Deno.chmodSync(dirname(file), 0o700);
      Deno.writeTextFileSync(file, content, { mode: 0o600 });
    }
    if (text !== "{}") Deno.chmodSync(directory.join(".users"), 0o700);
    const store = new DirectorySessionStore(directory.path);
    return Promise.resolve({
      store,
      dump: () => {
        store[Symbol.dispose]();
        const files = directory.listFiles().map((path) => [
          path,
          Deno.readTextFileSync(directory.join(path)),
        ]);
        return Promise.resolve(write(Object.fromEntries(files)));
      },
      [Symbol.asyncDispose]: () => {
        store[Symbol.dispose]();
        clock[Symbol.dispose]();
        return Promise.resolve(directory[Symbol.dispose]());
      },
    });
  },
};

/** Statements that make the tables and their rows. */
const sqliteMedium: Medium = {
  file: "sqlite.sql",
  open: (text = "", now) => {
    const directory = new TemporaryDirectory();
    const path = directory.join("sessions.db");
    {
      using database = new DatabaseSync(path);
      database.exec(text);
    }
    const store = new SqliteSessionStore(path, { now: () => now });
    return Promise.resolve({
      store,
      dump: () => Promise.resolve(dumpSqlite(path)),
      [Symbol.asyncDispose]: () => {
        store[Symbol.dispose]();
        return Promise.resolve(directory[Symbol.dispose]());
      },
    });
  },
};

function dumpSqlite(path: string): string {
  using database = new DatabaseSync(path);
  const all = (sql: string) =>
    database.prepare(sql).all() as Record<string, string>[];
  const made = all(
    "SELECT type, name, sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY type DESC, name",
  );
  const lines = made.map(({ sql }) => `${sql!.replaceAll(/\s+/g, " ")};`);
  for (const { name } of made.filter(({ type }) => type === "table")) {
    const columns = all(`PRAGMA table_info(${name})`)
      .map(({ name }) => `quote(${name})`).join(" || ', ' || ");
    const rows = all(`SELECT ${columns} AS row FROM ${name} ORDER BY 1`);
    lines.push(
      ...rows.map(({ row }) => `INSERT INTO ${name} VALUES (${row});`),
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Commands, each an array, without the times when Redis deletes the keys. */
function redisMedium(server: () => RedisServer): Medium {
  return {
    file: "redis.json",
    open: async (text = "[]", now) => {
      const { port } = server();
      await server().ask("FLUSHALL");
      for (const command of JSON.parse(text) as string[][]) {
        await server().ask(...command);
      }
      const connected = await connectRedis({
        client: "redis",
        isCluster: false,
        port,
      });
      return {
        store: new RedisSessionStore(connected.client, { now: () => now }),
        dump: () => dumpRedis(connectionOf(connected.client)),
        [Symbol.asyncDispose]: () => connected[Symbol.asyncDispose](),
      };
    },
  };
}

async function dumpRedis(redis: RedisConnection): Promise<string> {
  const ask = async (...command: string[]) =>
    await redis.send(command[1]!, command) as string & string[];
  const commands: string[][] = [];
  for (const key of (await ask("KEYS", "*")).sort()) {
    const type = await ask("TYPE", key);
    if (type === "string") {
      commands.push(["SET", key, await ask("GET", key)]);
    } else if (type === "zset") {
      const found = await ask("ZRANGE", key, "0", "-1", "WITHSCORES");
      for (let n = 0; n < found.length; n += 2) {
        commands.push(["ZADD", key, found[n + 1]!, found[n]!]);
      }
    } else {
      throw new TypeError(`Cannot dump ${key}: it is a ${type}`);
    }
  }
  return write(commands);
}

/** Statements that make the tables and their rows. */
function postgresMedium(server: () => PostgresServer): Medium {
  return {
    file: "postgres.sql",
    open: async (text = "", now) => {
      const { port } = server();
      const connected = connect({ driver: "pg", port });
      const { client } = connected;
      const query = queryOf(client);
      await query(`SET client_min_messages = warning;
        DROP SCHEMA public CASCADE; CREATE SCHEMA public;
        ${text}`);
      return {
        store: new PostgresSessionStore(client, { now: () => now }),
        dump: () => dumpPostgres(query),
        [Symbol.asyncDispose]: () => connected[Symbol.asyncDispose](),
      };
    },
  };
}

/** Their tables, then keys and indexes, as statements. */
const MADE = `
SELECT 1, relname, 'CREATE TABLE ' || relname || ' (' || string_agg(
    attname || ' ' || format_type(atttypid, atttypmod) ||
    CASE WHEN attcollation <> typcollation
      THEN ' COLLATE ' || quote_ident(collname) ELSE '' END ||
    CASE WHEN attgenerated = 's'
      THEN ' GENERATED ALWAYS AS (' || pg_get_expr(adbin, adrelid) || ') STORED'
      ELSE '' END ||
    CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END,
    ', ' ORDER BY attnum) || ')' ||
  coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '')
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
  JOIN pg_type ON pg_type.oid = atttypid
  LEFT JOIN pg_collation ON pg_collation.oid = attcollation
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
  AND attnum > 0 AND NOT attisdropped
GROUP BY relname, reloptions
UNION ALL
SELECT 2, conname, 'ALTER TABLE ' || conrelid::regclass || ' ADD ' ||
  pg_get_constraintdef(oid)
FROM pg_constraint
WHERE contype = 'p' AND connamespace = 'public'::regnamespace
UNION ALL
SELECT 3, indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)
ORDER BY 1, 2`;

/** The columns of each table that are not computed. */
const COLUMNS = `
SELECT relname, string_agg(attname, ', ' ORDER BY attnum),
  string_agg('quote_nullable(' || attname || ')', ', ' ORDER BY attnum)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
  AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
GROUP BY relname ORDER BY relname`;

async function dumpPostgres(query: PostgresQuery): Promise<string> {
  const lines = (await query(MADE, [])).rows.map(([, , sql]) => `${sql};`);
  for (const [table, names, values] of (await query(COLUMNS, [])).rows) {
    const { rows } = await query(
      `SELECT concat_ws(', ', ${values}) FROM ${table} ORDER BY 1`,
      [],
    );
    lines.push(
      ...rows.map(([row]) =>
        `INSERT INTO ${table} (${names}) VALUES (${row});`
      ),
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Entries: a key and its value; bytes are an object with their text. */
const kvMedium: Medium = {
  file: "kv.json",
  open: async (text = "[]", now) => {
    const kv = await Deno.openKv(":memory:");
    for (const [key, value] of JSON.parse(text) as [string[], unknown][]) {
      const { bytes } = value as { bytes?: string };
      await kv.set(
        key,
        bytes === undefined ? value : new TextEncoder().encode(bytes),
      );
    }
    return {
      store: new KvSessionStore(kv, { now: () => now }),
      dump: async () => {
        const entries: unknown[] = [];
        for await (const { key, value } of kv.list({ prefix: [] })) {
          const kept = value instanceof Uint8Array
            ? { bytes: new TextDecoder().decode(value) }
            : value;
          entries.push([key, kept]);
        }
        return write(entries);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(kv.close()),
    };
  },
};

/** Returns all media. */
export function listMedia(
  redis: () => RedisServer,
  postgres: () => PostgresServer,
): Medium[] {
  return [
    ...[directoryMedium, sqliteMedium, kvMedium],
    ...[redisMedium(redis), postgresMedium(postgres)],
  ];
}

function write(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
