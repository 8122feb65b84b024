import type { SessionStore, StoreWarning } from "../core/store.ts";
import { DirectorySessionStore } from "../directory/directory_store.ts";
import { checkMarked } from "../directory/prepare_directory.ts";
import { KvSessionStore } from "../engines/kv.ts";
import { untilUnlocked } from "../engines/locked_database.ts";
import { hasPostgresTable, PostgresSessionStore } from "../engines/postgres.ts";
import type { PostgresClient } from "../engines/postgres_client.ts";
import { RedisSessionStore } from "../engines/redis.ts";
import type { RedisClient } from "../engines/redis_client.ts";
import { hasSqliteTable, SqliteSessionStore } from "../engines/sqlite.ts";
import { isSessionId } from "../core/token.ts";
import { listFiles, makeIfMissing } from "../system/files.ts";
import { untilAborted } from "../system/waiting.ts";
import type { Console } from "./console.ts";
import { loadDriver } from "./driver.ts";
import {
  isRemote,
  readAddress,
  type StoreAddress,
  type StoreKind,
} from "./store_address.ts";
import { UsageError } from "./usage.ts";

/** The options of a store, of each command that takes one. */
export const STORE_OPTIONS = {
  prefix: {
    value: "NAME",
    help: "what all keys begin with, of redis and kv (default: latchkey)",
  },
  table: {
    value: "NAME",
    help: "the table, of sqlite and postgres (default: latchkey_sessions)",
  },
  schema: { value: "NAME", help: "the schema of the table, of postgres" },
} as const;

/** How a store is opened. */
export type StoreOptionValues = Readonly<
  Partial<Record<keyof typeof STORE_OPTIONS, string>>
>;

/** What a store is opened on, beside itself. */
export type Medium =
  | { readonly kind: "directory" | "sqlite" | "kv" }
  | { readonly kind: "redis"; readonly client: RedisClient }
  | { readonly kind: "postgres"; readonly client: PostgresClient };

/** A store of an address; disposing closes what was opened for it. */
export interface OpenedStore extends AsyncDisposable {
  readonly address: StoreAddress;
  readonly store: SessionStore;
  readonly medium: Medium;
}

const TAKES: Readonly<
  Record<StoreKind, readonly (keyof StoreOptionValues)[]>
> = {
  directory: [],
  sqlite: ["table"],
  kv: ["prefix"],
  redis: ["prefix"],
  postgres: ["table", "schema"],
};
/** How long a server may take to answer the first call, in ms. */
const CONNECT_TIMEOUT = 10_000;
const MS_PER_SECOND = 1000;

/**
 * Opens the store that the STORE of a command names; see
 * {@linkcode openKeptStore}.
 *
 * @param text The address, as it was given.
 * @param options How it is opened.
 * @param console Takes warnings.
 * @throws {UsageError} If it is no address, or an option is not one of its store.
 * @throws {Error} If no sessions were ever kept there.
 */
export async function openStore(
  text: string,
  options: StoreOptionValues,
  console: Console,
): Promise<OpenedStore> {
  const address = readAddress(text, "STORE");
  checkStoreOptions(options, address);
  return await openKeptStore(address, options, console);
}

/**
 * Opens a store in which sessions were kept before. Nothing is made: a mistyped
 * address neither loses nor gains anything.
 *
 * @param address Where it is.
 * @param options How it is opened.
 * @param console Takes warnings.
 * @throws {Error} If no sessions were ever kept there.
 */
export async function openKeptStore(
  address: StoreAddress,
  options: StoreOptionValues,
  console: Console,
): Promise<OpenedStore> {
  const opened = await connectStore(address, options, { console });
  try {
    await checkKept(opened, options);
    return opened;
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Opens a store without a look at what is there.
 *
 * @param address Where it is.
 * @param options How it is opened.
 * @param connection Who takes warnings, and whether a directory may be made.
 */
export async function connectStore(
  address: StoreAddress,
  { prefix, table, schema }: StoreOptionValues,
  { console, create = false, ...rest }: {
    readonly console: Console;
    readonly create?: boolean;
    readonly onWarning?: (warning: StoreWarning) => void;
  },
): Promise<OpenedStore> {
  const { onWarning = ({ message }) => console.tell(message) } = rest;
  const { kind, where } = address;
  const tell = (error: Error) => console.tell(error.message);
  switch (kind) {
    case "directory": {
      const store = new DirectorySessionStore(where, {
        create,
        onWarning,
      });
      return opened(address, { kind }, store, () => store[Symbol.dispose]());
    }
    case "sqlite": {
      const store = new SqliteSessionStore(where, { table, onWarning });
      return opened(address, { kind }, store, () => store[Symbol.dispose]());
    }
    case "kv": {
      const kv = await openKv(where, create);
      const store = new KvSessionStore(kv, { prefix, onWarning });
      return opened(address, { kind }, store, () => kv.close());
    }
    case "redis": {
      const client = await connectRedis(where, tell);
      const store = new RedisSessionStore(client, { prefix, onWarning });
      return opened(address, { kind, client }, store, () => client.destroy());
    }
    case "postgres": {
      const { default: pg } = await loadDriver<PostgresDriver>("postgres");
      const client = new pg.Pool({
        connectionString: where,
        connectionTimeoutMillis: CONNECT_TIMEOUT,
        max: 4,
      });
      client.on("error", tell);
      const store = new PostgresSessionStore(client, {
        table,
        schema,
        onWarning,
      });
      return opened(address, { kind, client }, store, () => client.end());
    }
  }
}

/**
 * Refuses options that none of the stores has.
 *
 * @throws {UsageError} If there is one.
 */
export function checkStoreOptions(
  options: StoreOptionValues,
  ...addresses: readonly StoreAddress[]
): void {
  for (const name of ["prefix", "table", "schema"] as const) {
    if (options[name] === undefined) continue;
    if (addresses.some(({ kind }) => TAKES[kind].includes(name))) continue;
    const kinds = addresses.map(({ kind }) => kind).join(" and ");
    throw new UsageError(`--${name} is not an option of ${kinds}`);
  }
}

/** Throws if no sessions were ever kept in a store. */
async function checkKept(
  { address, medium }: OpenedStore,
  options: StoreOptionValues,
): Promise<void> {
  const { where, name } = address;
  const { table = "latchkey_sessions" } = options;
  const missing = `no sessions were ever kept in ${name}: it has no table`;
  if (medium.kind === "directory") checkMarked(where);
  if (medium.kind === "sqlite" && !await hasSqliteTable(where, table)) {
    throw new Error(`${missing} ${table} (a Deno.Kv is written kv:FILE)`);
  }
  if (medium.kind === "postgres") {
    if (await hasPostgresTable(medium.client, options)) return;
    throw new Error(
      `${missing} ${table} (\`schema postgres\` prints what makes it)`,
    );
  }
}

function opened(
  address: StoreAddress,
  medium: Medium,
  store: SessionStore,
  close: () => unknown,
): OpenedStore {
  const dispose = async () => void (await close());
  return { address, medium, store, [Symbol.asyncDispose]: dispose };
}

async function openKv(where: string, create: boolean): Promise<Deno.Kv> {
  if (typeof Deno.openKv !== "function") {
    throw new Error(
      `Cannot open kv:${where}: Deno.Kv needs --unstable-kv, after \`deno run\``,
    );
  }
  if (!isRemote(where)) {
    // SQLite would let others read it.
    if (create) makeIfMissing(where);
    // It would make its tables in any database.
    else if (!await hasSqliteTable(where, "kv")) {
      throw new Error(
        `no sessions were ever kept in kv:${where}: it is not a Deno.Kv`,
      );
    }
  }
  // Another process may be making the file at this moment.
  return await untilUnlocked(() => Deno.openKv(where));
}

/**
 * Connects to a server of Redis, or to the cluster that it belongs to.
 *
 * @param url Its address.
 * @param tell Takes the errors of a connection that was there.
 */
async function connectRedis(
  url: string,
  tell: (error: Error) => void,
): Promise<RedisDriverClient> {
  const { createClient, createCluster } = await loadDriver<RedisDriver>(
    "redis",
  );
  const { href, username, password } = withPassword(url);
  const socket = {
    reconnectStrategy: false,
    connectTimeout: CONNECT_TIMEOUT,
  } as const;
  const node = createClient({ url: href, socket });
  await connect(node, tell);
  if (!await isOfCluster(node)) return node;
  node.destroy();
  const cluster = createCluster({
    rootNodes: [{ url: href }],
    defaults: {
      ...username !== "" && { username: decodeURIComponent(username) },
      ...password !== "" && { password: decodeURIComponent(password) },
      socket,
    },
  });
  await connect(cluster, tell);
  return cluster;
}

async function connect(
  client: RedisDriverClient,
  tell: (error: Error) => void,
): Promise<void> {
  let isConnected = false;
  // Before that the call below throws the same.
  client.on("error", (error) => isConnected && tell(error));
  // The driver's own timeout ends when the server has accepted the connection.
  const late = AbortSignal.timeout(CONNECT_TIMEOUT);
  try {
    await untilAborted(client.connect(), late);
  } catch (error) {
    if (!late.aborted) throw error;
    client.destroy();
    const seconds = CONNECT_TIMEOUT / MS_PER_SECOND;
    throw new Error(`the server does not answer: waited ${seconds} s`, {
      cause: error,
    });
  }
  isConnected = true;
}

async function isOfCluster(node: RedisNodeClient): Promise<boolean> {
  try {
    const info = await node.sendCommand(["INFO", "cluster"]);
    return String(info).includes("cluster_enabled:1");
  } catch (error) {
    // The user may not ask. In a cluster the first answer tells.
    if (error instanceof Error && /^NOPERM/.test(error.message)) return false;
    throw error;
  }
}

const PASSWORD_VARIABLE = "REDISCLI_AUTH";

/** Adds the password of the environment to a URL that has none. */
function withPassword(text: string): URL {
  const url = new URL(text);
  const { state } = Deno.permissions.querySync({
    name: "env",
    variable: PASSWORD_VARIABLE,
  });
  if (url.password !== "" || state !== "granted") return url;
  url.password = encodeURIComponent(Deno.env.get(PASSWORD_VARIABLE) ?? "");
  return url;
}

/** What both clients of `npm:redis` have. */
type RedisDriverClient = RedisClient & ErrorEmitter & {
  connect(): Promise<unknown>;
  destroy(): void;
};

/** The client of one server. */
type RedisNodeClient = RedisDriverClient & {
  sendCommand(args: string[]): Promise<unknown>;
};

interface RedisConnectOptions {
  readonly username?: string;
  readonly password?: string;
  readonly socket: {
    readonly reconnectStrategy: false;
    readonly connectTimeout: number;
  };
}

/** The part of `npm:redis` that is used. */
interface RedisDriver {
  createClient(
    options: RedisConnectOptions & { readonly url: string },
  ): RedisNodeClient;
  createCluster(options: {
    readonly rootNodes: readonly { readonly url: string }[];
    readonly defaults: RedisConnectOptions;
  }): RedisDriverClient;
}

/** The part of `npm:pg` that is used. */
interface PostgresDriver {
  readonly default: {
    readonly Pool: new (options: {
      connectionString: string;
      connectionTimeoutMillis: number;
      max: number;
    }) =>
      & PostgresClient
      & ErrorEmitter
      & { end(): Promise<unknown> };
  };
}

interface ErrorEmitter {
  on(event: "error", listener: (error: Error) => void): unknown;
}

/**
 * Counts the sessions that a command is about to go through.
 *
 * @param opened Where they are.
 * @param signal Ends it.
 */
export async function countSessions(
  { address, store }: OpenedStore,
  signal: AbortSignal,
): Promise<number> {
  if (address.kind !== "directory") {
    const options = { dryRun: true, signal };
    const { deleted, remaining } = await store.deleteOldSessions(
      Infinity,
      options,
    );
    return deleted + remaining;
  }
  let count = 0;
  for await (const name of listFiles(address.where, { signal })) {
    if (isSessionId(name)) count++;
  }
  return count;
}
