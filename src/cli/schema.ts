import { PostgresSessionStore } from "../engines/postgres.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { UsageError } from "./usage.ts";

const DEFAULT_ROLE = "latchkey";

/** Prints what makes a table of sessions: `schema postgres`. */
export const schema: ProgramCommand = defineCommand({
  name: "schema",
  summary: "prints the SQL that makes the tables, and the grants",
  positionals: ["postgres"],
  options: {
    role: {
      value: "NAME",
      help: `the role that servers connect as (default: ${DEFAULT_ROLE})`,
    },
    table: {
      value: "NAME",
      help: "the table (default: latchkey_sessions)",
    },
    schema: {
      value: "NAME",
      help: "its schema, which is made if it is missing",
    },
  },
  about:
    `Prints what a role that may create runs once, for servers whose role may not:
the tables, the indices and the grants, as one transaction that may be repeated.

  schema postgres --role web | psql postgres://…`,
  permissions: "Permissions: none",
  run: ({ options, positionals: [kind], console }) => {
    if (kind !== "postgres") {
      throw new UsageError(`There is no schema of ${kind}, only of postgres`);
    }
    const { role = DEFAULT_ROLE, table, schema } = options;
    let sql: string;
    try {
      sql = PostgresSessionStore.setupSql(role, {
        ...table !== undefined && { table },
        ...schema !== undefined && { schema },
      });
    } catch (error) {
      if (error instanceof TypeError) throw new UsageError(error.message);
      throw error;
    }
    console.print(sql);
    return Promise.resolve(0);
  },
});
