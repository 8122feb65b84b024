import { createClient } from "npm:redis@5.12.1";
import pg from "npm:pg@8.23.1";
import { DatabaseSync } from "node:sqlite";
import { KvSessionStore } from "../../src/engines/kv.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import {
  missing as noPostgres,
  PostgresServer,
} from "../../tests/engines/postgres_server.ts";
import {
  missingRedis as noRedis,
  RedisServer,
} from "../../tests/engines/redis_server.ts";
import { runProgram } from "../harness/child.ts";
import type { Engine } from "./measure_engine.ts";

/** `npm:pg` has no types of its own. */
interface Listened {
  on(event: "error", listener: () => void): void;
}

const TABLE = "latchkey_sessions";

/**
 * Starts each engine, with its data in a directory; throws where it is not
 * installed.
 */
export const ENGINES: Readonly<
  Record<
    string,
    (directory: string) => Promise<Engine> | Engine
  >
> = {
  directory: (directory) => {
    const path = `${directory}/sessions`;
    return {
      label: "directory",
      // See bench:growth for more.
      most: 100_000,
      store: new DirectorySessionStore(path, { create: true }),
      bareGet: (id) => readFile(`${path}/${id}`),
      bytes: () => diskUse(directory),
    };
  },
  sqlite: (directory) => {
    const path = `${directory}/sessions.db`;
    const store = new SqliteSessionStore(path);
    const database = new DatabaseSync(path);
    let get: ReturnType<typeof database.prepare> | undefined;
    return {
      label: "SQLite",
      most: 10_000_000,
      store,
      bareGet: (id) => {
        get ??= database.prepare(`SELECT json FROM ${TABLE} WHERE id = ?`);
        return (get.get(id) as { json: string }).json;
      },
      bytes: () => {
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
        return diskUse(path);
      },
      close: () => {
        store[Symbol.dispose]();
        database.close();
      },
    };
  },
  kv: async (directory) => {
    const path = `${directory}/sessions.kv`;
    const kv = await Deno.openKv(path);
    return {
      label: "Deno KV",
      most: 10_000,
      store: new KvSessionStore(kv),
      bareGet: async (id) => {
        const { value } = await kv.get(["latchkey", "session", id]);
        return decoder.decode(value as Uint8Array);
      },
      bytes: () => diskUse(directory),
      close: () => kv.close(),
    };
  },
  redis: async () => {
    if (noRedis !== undefined) throw new Error(noRedis);
    const server = await RedisServer.start({
      isDurable: true,
      settings: { appendfsync: "everysec" },
    });
    const client = createClient({ url: `redis://127.0.0.1:${server.port}` });
    await client.connect();
    return {
      label: "Redis",
      most: 10_000_000,
      store: new RedisSessionStore(client),
      bareGet: async (id) => {
        const text = (await client.get(`latchkey:{${id}}`))!;
        return text.slice(text.indexOf("{"));
      },
      bytes: async () => {
        const info = await client.info("memory");
        return Number(/used_memory:(\d+)/.exec(info)![1]);
      },
      close: async () => {
        await client.close();
        await server[Symbol.asyncDispose]();
      },
    };
  },
  postgres: async () => {
    if (noPostgres !== undefined) throw new Error(noPostgres);
    const settings = { fsync: "on", shared_buffers: "512MB" };
    const server = await PostgresServer.start({ settings });
    const { port } = server;
    const user = "postgres";
    const pool = new pg.Pool({ host: "127.0.0.1", port, user, max: 32 });
    // The server may be gone before its last connection is closed here.
    pool.on("connect", (client: Listened) => client.on("error", () => {}));
    return {
      label: "PostgreSQL",
      most: 1_000_000,
      store: new PostgresSessionStore(pool),
      bareGet: async (id) => {
        const { rows: [row] } = await pool.query({
          name: "bare",
          text: `SELECT json FROM ${TABLE} WHERE id = $1`,
          values: [id],
        });
        return row.json;
      },
      bytes: async () => {
        const { rows: [row] } = await pool.query(
          `SELECT pg_total_relation_size(to_regclass('${TABLE}')) AS bytes`,
        );
        return Number(row.bytes);
      },
      close: async () => {
        await pool.end();
        // Its sockets are closed a moment after it says so.
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        await server[Symbol.asyncDispose]();
      },
    };
  },
};

const buffer = new Uint8Array(64 * 1024);
const decoder = new TextDecoder();

/** Reads under a lock that readers share. */
function readFile(path: string): string {
  using file = Deno.openSync(path);
  file.lockSync(false);
  const text = decoder.decode(buffer.subarray(0, file.readSync(buffer)!));
  return text.slice(text.indexOf("\n"));
}

async function diskUse(path: string): Promise<number> {
  const args = ["--summarize", "--block-size=1", path];
  return parseInt(await runProgram("du", args), 10);
}
