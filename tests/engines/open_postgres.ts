import { pid } from "node:process";
// @ts-types="npm:@types/pg@8.23.1"
import pg from "npm:pg@8.23.1";
import postgres from "npm:postgres@3.4.9";
import {
  type PostgresClient,
  queryOf,
} from "../../src/engines/postgres_client.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import type { OpenedStore } from "../contract/open_store.ts";

/** A table on a PostgreSQL server. */
export interface PostgresPlace {
  readonly kind: "postgres";
  readonly driver: Driver;
  /** On 127.0.0.1. */
  readonly port: number;
  readonly table: string;
}

/** The drivers that a store takes. */
export const DRIVERS = ["pg", "postgres"] as const;
/** One of them. */
export type Driver = typeof DRIVERS[number];

/** How a client connects. */
export interface ConnectOptions {
  /** Its connections at most. */
  readonly max?: number;
  /** The role, else the server's own. */
  readonly user?: string;
  /** Whether `npm:postgres` may prepare statements; it does by default. */
  readonly prepare?: boolean;
}

/** A client, open. */
export interface OpenedClient<C extends PostgresClient = PostgresClient>
  extends AsyncDisposable {
  readonly client: C;
}

/**
 * Opens a store on a PostgreSQL server.
 *
 * @param place Where.
 * @param now The store's clock.
 */
export function openPostgres(
  place: PostgresPlace,
  now: (() => number) | undefined,
): OpenedStore {
  const { driver, table } = place;
  const opened = connect(place);
  const { client } = opened;
  const store = new PostgresSessionStore(client, { table, now });
  return {
    store,
    breakDown: (error: Error) =>
      breakMethod(client, driver === "pg" ? "query" : "unsafe", error),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

/** Stores a text in the place of a record under an ID. */
export async function spoilPostgres(
  place: PostgresPlace,
  id: string,
  text: string,
): Promise<void> {
  const { table } = place;
  await using opened = connect(place);
  const { client } = opened;
  await new PostgresSessionStore(client, { table }).setup();
  await queryOf(client)(
    `INSERT INTO ${table} (id, version, last_access, json)
     VALUES ($1, 1, $2, $3)
     ON CONFLICT (id) DO UPDATE SET json = excluded.json`,
    [id, Date.now(), text],
  );
}

/** Waits until the server has finished the statements of a process. */
export async function settlePostgres(
  place: PostgresPlace,
  pid: number,
): Promise<void> {
  await using opened = connect(place);
  const query = queryOf(opened.client);
  for (;;) {
    const { count } = await query(
      "SELECT 1 FROM pg_stat_activity WHERE application_name = $1",
      [nameOf(pid)],
    );
    if (count === 0) return;
  }
}

/** Makes a client of the driver that the place names. */
export function connect(
  { driver, port }: Pick<PostgresPlace, "driver" | "port">,
  options: ConnectOptions = {},
): OpenedClient {
  return driver === "pg"
    ? connectByPg(port, options)
    : connectByPostgres(port, options);
}

/** Makes a pool of `npm:pg`. */
export function connectByPg(
  port: number,
  { max = 4, user = "postgres" }: ConnectOptions = {},
): OpenedClient<pg.Pool> {
  const client = new pg.Pool({
    ...WHERE,
    port,
    user,
    max,
    application_name: nameOf(pid),
  });
  // An idle connection that ends; the pool makes another.
  client.on("error", () => {});
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

/** Makes the `sql` of `npm:postgres`. */
export function connectByPostgres(
  port: number,
  { max = 4, user = "postgres", prepare = true }: ConnectOptions = {},
): OpenedClient<postgres.Sql> {
  const client = postgres({
    ...WHERE,
    port,
    user,
    max,
    prepare,
    onnotice: fail,
    connection: { application_name: nameOf(pid) },
  });
  return {
    client,
    // Without a limit it waits for ever after a connection that was refused.
    [Symbol.asyncDispose]: () => client.end({ timeout: 1 }),
  };
}

const WHERE = { host: "127.0.0.1", database: "postgres" };

/** Names the connections of a process, by which the server tells them apart. */
function nameOf(pid: number): string {
  return `process ${pid}`;
}

function fail({ message }: postgres.Notice): void {
  throw new Error(`The server noted: ${message}`);
}

/**
 * Makes every call of a method fail.
 *
 * @param target The object with the method.
 * @param method The name of the method.
 * @param error What each call throws, until the result is disposed of.
 */
function breakMethod(
  target: object,
  method: string,
  error: Error,
): Disposable {
  const own = Object.getOwnPropertyDescriptor(target, method);
  const value = (): never => {
    throw error;
  };
  Object.defineProperty(target, method, { value, configurable: true });
  return {
    [Symbol.dispose]: () => {
      if (own === undefined) Reflect.deleteProperty(target, method);
      else Object.defineProperty(target, method, own);
    },
  };
}
