import { loadDriver } from "../cli/driver.ts";
import type { SessionStore } from "../core/store.ts";
import { KvSessionStore } from "../engines/kv.ts";
import { PostgresSessionStore } from "../engines/postgres.ts";
import type { PostgresClient } from "../engines/postgres_client.ts";
import type { RedisClient } from "../engines/redis_client.ts";
import { RedisSessionStore } from "../engines/redis.ts";
import { type SqliteDatabase, SqliteSessionStore } from "../engines/sqlite.ts";
import { DirectorySessionStore } from "../directory/directory_store.ts";
import { readSessionFile } from "./session_file.ts";

/** A session as it is stored, for people to look at. */
export interface StoredView {
  /** What it is: `File`. */
  readonly what: string;
  /** Where it is. */
  readonly where: string;
  /** What else there is to say of it. */
  readonly note: string;
  /** All that is stored. */
  readonly content: string;
}

/** A store of the demo, open. */
export interface DemoStore extends AsyncDisposable {
  readonly store: SessionStore;
  /** Where the sessions are. */
  readonly where: string;
  /** Reads a session as it is stored; `undefined` when there is none. */
  readonly view: (id: string) => Promise<StoredView | undefined>;
}

/** The kinds of store that the demo runs on, and where each is by default. */
export const DEMO_STORES = {
  directory: "./sessions",
  sqlite: "./sessions.db",
  kv: "./sessions.kv",
  redis: "redis://localhost:6379",
  postgres: "postgres://localhost/postgres",
} as const;

/** A kind of store. */
export type DemoStoreKind = keyof typeof DEMO_STORES;

/** Tells whether a text is one. */
export function isDemoStoreKind(text: string): text is DemoStoreKind {
  return Object.hasOwn(DEMO_STORES, text);
}

/**
 * Opens a store of the demo. The driver of an engine is loaded only here.
 *
 * @param kind Which.
 * @param where Where the sessions are: a path, or the URL of a server.
 */
export async function openDemoStore(
  kind: DemoStoreKind,
  where: string,
): Promise<DemoStore> {
  if (kind === "directory") {
    const store = new DirectorySessionStore(where, { create: true });
    return {
      store,
      where,
      view: (id) => viewFile(where, id),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const { store, close } = await openEngine(kind, where);
  return {
    store,
    where: withoutPassword(where),
    view: (id) => viewRecord(store, id),
    [Symbol.asyncDispose]: async () => void (await close()),
  };
}

/** What of `node:sqlite` is used. */
interface SqliteDriver {
  readonly DatabaseSync: new (
    path: string,
  ) => SqliteDatabase & { close(): void };
}

/** What of `npm:redis` is used. */
interface RedisDriver {
  createClient(options: { url: string }): RedisClient & ErrorEmitter & {
    connect(): Promise<unknown>;
    close(): unknown;
  };
}

/** What of `npm:pg` is used. */
interface PostgresDriver {
  readonly default: {
    readonly Pool: new (options: { connectionString: string }) =>
      & PostgresClient
      & ErrorEmitter
      & { end(): Promise<unknown> };
  };
}

interface ErrorEmitter {
  on(event: "error", listener: (error: Error) => void): unknown;
}

async function openEngine(
  kind: Exclude<DemoStoreKind, "directory">,
  where: string,
): Promise<{ store: SessionStore; close: () => unknown }> {
  switch (kind) {
    case "sqlite": {
      const { DatabaseSync } = await loadDriver<SqliteDriver>("sqlite");
      const database = new DatabaseSync(where);
      const store = new SqliteSessionStore(database);
      return { store, close: () => database.close() };
    }
    case "kv": {
      const kv = await Deno.openKv(where);
      return { store: new KvSessionStore(kv), close: () => kv.close() };
    }
    case "redis": {
      const { createClient } = await loadDriver<RedisDriver>("redis");
      const client = createClient({ url: where });
      client.on("error", (error) => console.error(error.message));
      await client.connect();
      return {
        store: new RedisSessionStore(client),
        close: () => client.close(),
      };
    }
    case "postgres": {
      const { default: pg } = await loadDriver<PostgresDriver>("postgres");
      const pool = new pg.Pool({ connectionString: where });
      pool.on("error", (error) => console.error(error.message));
      return { store: new PostgresSessionStore(pool), close: () => pool.end() };
    }
  }
}

async function viewFile(
  directory: string,
  id: string,
): Promise<StoredView | undefined> {
  const file = await readSessionFile(directory, id);
  return file && {
    what: "File",
    where: file.path,
    note: `mode ${file.mode}, ${file.size} bytes`,
    content: file.content,
  };
}

async function viewRecord(
  store: SessionStore,
  id: string,
): Promise<StoredView | undefined> {
  const record = await store.load(id);
  return record && {
    what: "Record",
    where: id,
    note: "as JSON",
    content: JSON.stringify(record, null, 2),
  };
}

function withoutPassword(where: string): string {
  const url = URL.parse(where);
  if (url === null || url.password === "") return where;
  url.password = "***";
  return url.href;
}
