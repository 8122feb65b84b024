import {
  bad,
  clockFinding,
  type Inspection,
  ok,
  warn,
} from "../core/finding.ts";
import { namesFrom, type PostgresSessionStoreOptions } from "./postgres.ts";
import { type PostgresClient, queryOf } from "./postgres_client.ts";
import type { SqlNames } from "./sql.ts";

const OLDEST_VERSION = 120_000;
const FEW_UPDATES = 1_000;
const FEW_DEAD = 10_000;
const RIGHTS = ["SELECT", "INSERT", "UPDATE", "DELETE"] as const;
/** Settings by which what was acknowledged is lost. */
const DURABLE = ["fsync", "full_page_writes", "synchronous_commit"] as const;

/**
 * Inspects a database, a table of sessions in it, and the rights of the role.
 *
 * @param client A pool, or `sql`.
 * @param options The table and its schema, as the store gets them.
 */
export async function* inspectPostgres(
  client: PostgresClient,
  options: Pick<PostgresSessionStoreOptions, "table" | "schema">,
): Inspection {
  const names = namesFrom(options);
  const query = queryOf(client);
  const read = async (sql: string, ...values: string[]) =>
    (await query(sql, values)).rows;
  const setting = (name: string) => `current_setting('${name}')`;
  const settings = [
    "server_version_num",
    "server_version",
    "transaction_read_only",
    ...DURABLE,
  ];
  const [server] = await read(
    `SELECT ${settings.map(setting).join(", ")}, pg_is_in_recovery()::text`,
  );
  const [number, version, isReadOnly, ...rest] = server!;
  const isStandby = rest.pop() === "true";
  yield Number(number) < OLDEST_VERSION
    ? bad("version", version!, "PostgreSQL 12 or later is needed")
    : ok("version", version!);
  yield isStandby || isReadOnly === "on"
    ? bad(
      "server",
      isStandby ? "it is a standby" : "it is read-only",
      "connect to the primary: target_session_attrs=read-write",
    )
    : ok("server", "it takes changes");
  const off = DURABLE.filter((_, n) => rest[n] === "off");
  yield off.length > 0
    ? warn(
      "durability",
      `${off.join(", ")} = off`,
      "a power loss takes back acknowledged changes, a logout among them: set it on",
    )
    : ok("durability", "changes survive a power loss");

  const before = Date.now();
  const [clock] = await read(
    "SELECT extract(epoch FROM clock_timestamp())::text",
  );
  const middle = (before + Date.now()) / 2;
  yield clockFinding(Number(clock![0]) * 1000 - middle, "the server");
  const [found] = await read(
    "SELECT to_regclass($1) IS NOT NULL, to_regclass($2) IS NOT NULL",
    names.table,
    names.versions,
  );
  if (found!.includes("f")) {
    const name = found![0] === "f" ? names.table : names.versions;
    yield bad(
      "table",
      `there is no table ${name}`,
      "give the right --table and --schema, or run what `schema postgres` prints",
    );
    return false;
  }
  yield ok("table", names.table);
  yield* inspectTable(names, read);
  return true;
}

async function* inspectTable(
  { name, table, versions }: SqlNames,
  read: (
    sql: string,
    ...values: string[]
  ) => Promise<readonly (readonly string[])[]>,
): Inspection {
  const asked = [
    ...RIGHTS.map((right) => `has_table_privilege($1, '${right}')`),
  ];
  const [rights] = await read(
    `SELECT current_user::text, has_table_privilege($2, 'SELECT'), ${
      asked.join(", ")
    }`,
    table,
    versions,
  );
  const [role, mayReadVersion, ...may] = rights!;
  const lacking = [
    ...RIGHTS.filter((_, n) => may[n] === "f").map((right) =>
      `${right} ON ${table}`
    ),
    ...mayReadVersion === "f" ? [`SELECT ON ${versions}`] : [],
  ];
  yield lacking.length > 0
    ? bad(
      "rights",
      `the role ${role} lacks ${lacking.join(", ")}`,
      `run what \`schema postgres --role ${role}\` prints`,
    )
    : ok("rights", `the role ${role} has all`);

  const indices = (await read(
    "SELECT relname::text, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = to_regclass($1)",
    table,
  )).filter(([, isValid]) => isValid === "t").map(([index]) => index);
  const missing = [`${name}_pkey`, `${name}_end`, `${name}_tag`]
    .filter((index) => !indices.includes(index));
  yield missing.length > 0
    ? warn(
      "indices",
      `there is no valid ${missing.join(", no ")}`,
      "run what `schema postgres` prints; one that is invalid is dropped first",
    )
    : ok("indices", "all are there");

  const [counted] = await read(
    `SELECT n_tup_upd, n_tup_hot_upd, n_live_tup, n_dead_tup,
      coalesce(last_autovacuum::text, 'never')
    FROM pg_stat_all_tables WHERE relid = to_regclass($1)`,
    table,
  );
  const [updates, hot, live, dead, vacuumed] = counted!;
  const share = Math.round(100 * Number(hot) / Math.max(1, Number(updates)));
  const state = `${share} % of ${updates} updates changed no index (HOT)`;
  yield Number(updates) >= FEW_UPDATES && share < 50
    ? warn(
      "updates",
      state,
      `drop indices of your own on ${table}, and keep its fillfactor: ALTER TABLE ${table} SET (fillfactor = 80), then VACUUM FULL once`,
    )
    : ok("updates", state);
  const rows = `${live} rows, ${dead} dead ones, last autovacuum ${vacuumed}`;
  yield Number(dead) > Math.max(FEW_DEAD, Number(live))
    ? warn(
      "vacuum",
      rows,
      "autovacuum does not keep up: look for a transaction that is open for long, and for autovacuum = off",
    )
    : ok("vacuum", rows);
  return true;
}
