import { loadDriver } from "../cli/driver.ts";
import { decodeRecord } from "../core/codec.ts";
import type { SessionRecord } from "../core/record.ts";
import type { SessionStore } from "../core/store.ts";
import { KvSessionStore } from "../engines/kv.ts";
import { untilUnlocked } from "../engines/locked_database.ts";
import { PostgresSessionStore } from "../engines/postgres.ts";
import type { PostgresClient } from "../engines/postgres_client.ts";
import type { RedisClient } from "../engines/redis_client.ts";
import { RedisSessionStore } from "../engines/redis.ts";
import { SqliteSessionStore } from "../engines/sqlite.ts";
import { DirectorySessionStore } from "../directory/directory_store.ts";
import { sessionPath } from "../directory/layout.ts";
import { system } from "../system/system.ts";
import { untilAborted } from "../system/waiting.ts";

/** A session as it is stored, to be shown on the page. */
export interface StoredView {
  /** What it is: `File` or `Record`. */
  readonly what: string;
  /** Where it is. */
  readonly where: string;
  /** Its size, or how it is shown. */
  readonly note: string;
  /** All that is stored. */
  readonly content: string;
  /** The hash of the secret that opens it. */
  readonly secretHash: string | undefined;
  /** The device that it is bound to, if it is. */
  readonly device: SessionRecord["device"];
}

/** An open store of the demo. */
export interface DemoStore extends AsyncDisposable {
  readonly store: SessionStore;
  /** Where the sessions are kept; a URL without its password. */
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

/** A kind of store that the demo runs on. */
export type DemoStoreKind = keyof typeof DEMO_STORES;

/** The kind of store that the demo runs on if it is not told. */
export function defaultStoreKind(): DemoStoreKind {
  return system.os() === "windows" ? "sqlite" : "directory";
}

/** Tells whether a text names a kind of store. */
export function isDemoStoreKind(text: string): text is DemoStoreKind {
  return Object.hasOwn(DEMO_STORES, text);
}

/**
 * Opens a store of the demo, and loads the driver that it needs.
 *
 * @param kind The kind of store.
 * @param where Where the sessions are kept: a path, or the URL of a server.
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

/** How long a server has to answer the first time, in ms. */
const LONGEST_CONNECT = 10_000;
/** How long to wait before the client tries again to connect, in ms. */
const RECONNECT = 500;

/** The part of `npm:redis` that is used. */
interface RedisDriver {
  createClient(options: {
    readonly url: string;
    readonly disableOfflineQueue: boolean;
    readonly socket: { readonly reconnectStrategy: () => number | false };
  }): RedisClient & ErrorEmitter & {
    connect(): Promise<unknown>;
    destroy(): void;
  };
}

/** The part of `npm:pg` that is used. */
interface PostgresDriver {
  readonly default: {
    readonly Pool: new (options: {
      readonly connectionString: string;
      readonly connectionTimeoutMillis: number;
    }) =>
      & PostgresClient
      & ErrorEmitter
      & { query(text: string): Promise<unknown>; end(): Promise<unknown> };
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
      const store = new SqliteSessionStore(where);
      return { store, close: () => store[Symbol.dispose]() };
    }
    case "kv": {
      if (!/^(:memory:$|https?:)/.test(where)) makeForOwner(where);
      // Another process may be making the file at this moment.
      const kv = await untilUnlocked(() => Deno.openKv(where));
      return { store: new KvSessionStore(kv), close: () => kv.close() };
    }
    case "redis": {
      const { createClient } = await loadDriver<RedisDriver>("redis");
      let isUp = false;
      const client = createClient({
        url: where,
        // A command fails while the server is away, rather than wait for it.
        disableOfflineQueue: true,
        socket: { reconnectStrategy: () => isUp && RECONNECT },
      });
      const report = reporter();
      // What keeps it from connecting the first time is thrown as well.
      client.on("error", (error) => isUp && report(error));
      await reach(where, () => client.connect());
      isUp = true;
      return {
        store: new RedisSessionStore(client),
        close: () => client.destroy(),
      };
    }
    case "postgres": {
      const { default: pg } = await loadDriver<PostgresDriver>("postgres");
      const pool = new pg.Pool({
        connectionString: where,
        connectionTimeoutMillis: LONGEST_CONNECT,
      });
      pool.on("error", reporter());
      await reach(where, () => pool.query("SELECT 1"));
      return { store: new PostgresSessionStore(pool), close: () => pool.end() };
    }
  }
}

/** Waits for the first answer of a server, or says that it is away. */
async function reach(
  where: string,
  connect: () => Promise<unknown>,
): Promise<void> {
  const timeout = AbortSignal.timeout(LONGEST_CONNECT);
  try {
    await untilAborted(connect(), timeout);
  } catch (cause) {
    const reason = timeout.aborted
      ? `no answer in ${LONGEST_CONNECT / 1000} seconds`
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new Error(
      `Cannot reach ${
        withoutPassword(where)
      }: ${reason} (start that server, or name another with --at URL)`,
      { cause },
    );
  }
}

/** Makes a listener that prints an error once, however often it comes. */
function reporter(): (error: Error) => void {
  let last: string | undefined;
  return ({ message }) => {
    if (message !== last) console.error(message);
    last = message;
  };
}

/** Makes the file of a database, which SQLite would let others read. */
function makeForOwner(path: string): void {
  const options = { write: true, create: true, mode: 0o600 };
  Deno.openSync(path, options).close();
}

async function viewFile(
  directory: string,
  id: string,
): Promise<StoredView | undefined> {
  const path = sessionPath(directory, id);
  try {
    const bytes = await Deno.readFile(path);
    const { mode } = await Deno.lstat(path);
    const record = decodeRecord(id, bytes);
    if (typeof record === "string") return undefined;
    const octal = ((mode ?? 0) & 0o777).toString(8).padStart(4, "0");
    return {
      what: "File",
      where: path,
      note: `mode ${octal}, ${bytes.length} bytes`,
      content: new TextDecoder().decode(bytes),
      secretHash: record.secretHash,
      device: record.device,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
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
    secretHash: record.secretHash,
    device: record.device,
  };
}

function withoutPassword(where: string): string {
  const url = URL.parse(where);
  if (url === null || url.password === "") return where;
  url.password = "***";
  return url.href;
}
