import { crc32 } from "node:zlib";
import { retryCall } from "../system/waiting.ts";
import type { SqlValue } from "./sql.ts";

/**
 * What a store uses of a client of PostgreSQL: of a `Pool` or `Client` of
 * `npm:pg` 8, or of the `sql` of `npm:postgres` 3.
 */
export type PostgresClient =
  | {
    /** Runs a statement; one with a name is prepared once per connection. */
    query(statement: {
      name?: string;
      text: string;
      values?: (string | number | null)[];
      /** Rows as lists of their columns. */
      rowMode: "array";
      /** Values as the server sent them. */
      types: { getTypeParser: () => (value: string) => string };
    }): Promise<{
      readonly rows: unknown[][];
      readonly rowCount: number | null;
    }>;
    /** How many listeners it has for its `error`. */
    listenerCount?(event: "error"): number;
  }
  | {
    /** Makes a statement, which runs when it is awaited. */
    unsafe(
      text: string,
      values?: (string | number | null)[],
      options?: { prepare?: boolean },
    ): {
      /** Asks for the values as the server sent them. */
      raw(): PromiseLike<
        (Uint8Array | null)[][] & { readonly count: number | null }
      >;
    };
  };

type PgPool = Extract<PostgresClient, { query: unknown }>;
type PostgresSql = Exclude<PostgresClient, PgPool>;

/** What a statement returned. */
interface PostgresResult {
  /** The columns of each row, as text. */
  readonly rows: readonly (readonly string[])[];
  /** How many rows it returned or changed. */
  readonly count: number;
}

/**
 * Runs a statement, prepared, and again if the server has undone it. Without
 * values the text may hold several statements.
 */
export type PostgresQuery = (
  text: string,
  values?: SqlValue[],
) => Promise<PostgresResult>;

/*
 * An application may have told its driver to return a bigint as a number or a
 * BigInt, or to write the names of columns its own way. So values are asked for
 * as they came over the wire, and columns by their position.
 */
const AS_IT_CAME = (value: string): string => value;
const TYPES = { getTypeParser: () => AS_IT_CAME };
const decoder = new TextDecoder();
const NOTHING: PostgresResult = { rows: [], count: 0 };

/**
 * The codes by which the server says that it has undone a statement, or not
 * begun it, so that it is repeated, for five seconds: where transactions are serializable, one that could not be
 * serialized; a connection that an administrator ended, which `npm:postgres` 3.4
 * also reports to the first statement on the next connection.
 */
const UNDONE: readonly unknown[] = ["40001", "57P01"];

/**
 * The codes by which the server says that it does not know a prepared statement,
 * or has one of its name: behind PgBouncer before 1.21 the next transaction runs
 * on another connection. It has done nothing then.
 */
const UNPREPARED: readonly unknown[] = ["26000", "42P05"];

/**
 * Makes one way to run statements with either client.
 *
 * @param client The client.
 * @param onUnprepared Called once if it turns out that statements cannot be
 * prepared; from then on they are not.
 * @throws {TypeError} If the value is not a client.
 */
export function queryOf(
  client: PostgresClient,
  onUnprepared: () => void = () => {},
): PostgresQuery {
  const run = runnerOf(client);
  let isPrepared = true;
  return (text, values) =>
    retryCall(async () => {
      const wasPrepared = isPrepared;
      try {
        return await run(text, values, wasPrepared);
      } catch (error) {
        if (!wasPrepared || !UNPREPARED.includes(codeOf(error))) throw error;
        if (isPrepared) onUnprepared();
        isPrepared = false;
        return await run(text, values, false);
      }
    }, (error) => UNDONE.includes(codeOf(error)));
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null | undefined)?.code;
}

/**
 * Tells whether the process ends when the server ends an idle connection.
 *
 * @param client A client of either driver.
 */
export function lacksErrorListener(client: PostgresClient): boolean {
  return "query" in client && client.listenerCount?.("error") === 0;
}

/** Runs a statement once, prepared if it has values and that is asked for. */
type Runner = (
  text: string,
  values: SqlValue[] | undefined,
  isPrepared: boolean,
) => Promise<PostgresResult>;

function runnerOf(client: PostgresClient): Runner {
  if (isOf<PostgresSql>(client, "unsafe")) return bySql(client);
  if (isOf<PgPool>(client, "query")) return byPool(client);
  throw new TypeError(
    "Cannot use client: it is neither of npm:pg nor of npm:postgres",
  );
}

function bySql(sql: PostgresSql): Runner {
  return async (text, values, prepare) => {
    if (values === undefined) {
      await sql.unsafe(text).raw();
      return NOTHING;
    }
    const rows = await sql.unsafe(text, values, { prepare }).raw();
    return { rows: rows.map(decode), count: rows.count ?? 0 };
  };
}

function byPool(pool: PgPool): Runner {
  const names = new Map<string, string>();
  const nameOf = (text: string): string => {
    let name = names.get(text);
    if (name === undefined) {
      name = `latchkey_${crc32(text).toString(16).padStart(8, "0")}`;
      names.set(text, name);
    }
    return name;
  };
  return async (text, values, isPrepared) => {
    const { rows, rowCount } = await pool.query({
      text,
      rowMode: "array",
      types: TYPES,
      ...(values !== undefined && { values }),
      ...(values !== undefined && isPrepared && { name: nameOf(text) }),
    });
    if (values === undefined) return NOTHING;
    return { rows: rows as string[][], count: rowCount ?? 0 };
  };
}

function decode(row: (Uint8Array | null)[]): string[] {
  return row.map((value) => decoder.decode(value!));
}

function isOf<T>(client: unknown, method: keyof T): client is T {
  return typeof (client as Partial<T> | null | undefined)?.[method] ===
    "function";
}
