import type { SessionRecord } from "../core/record.ts";
import { isSessionId } from "../core/token.ts";
import { findSession } from "../migration/move_session.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { printable } from "./console.ts";
import { openStore, STORE_OPTIONS } from "./open_store.ts";
import { timeOf, viewOf } from "./session_view.ts";
import { ADDRESS_HELP, PERMISSIONS_HELP } from "./store_address.ts";
import { UsageError } from "./usage.ts";

/** Shows one session: `show STORE ID`. */
export const show: ProgramCommand = defineCommand({
  name: "show",
  summary: "shows one session",
  positionals: ["STORE", "ID"],
  options: {
    data: { help: "show also what the application keeps in it" },
    json: { help: "print one line of JSON" },
    ...STORE_OPTIONS,
  },
  about:
    `Shows one session. No secret, no hash and no form token is shown, and the
session does not count as accessed by that. Of sealed data only the size is known.

${ADDRESS_HELP}`,
  exitCodes: "0 done; 1 failed, or there is no such session; 2 wrong usage.",
  permissions: PERMISSIONS_HELP,
  run: async ({ options, flags, positionals, console, signal }) => {
    const [store = "", id = ""] = positionals;
    if (!isSessionId(id)) throw new UsageError(`ID is not a session ID: ${id}`);
    await using opened = await openStore(store, options, console);
    const found = await findSession(opened.store, id, { signal });
    if (found === undefined) {
      console.tell(`There is no session ${id} in ${opened.address.name}`);
      return 1;
    }
    const { record, lastAccess } = found;
    const details = {
      ...viewOf([id, record, lastAccess]),
      ...detailsOf(record),
      ...flags.data && dataOf(record),
    };
    if (flags.json) console.print(JSON.stringify(details));
    else {
      for (const [name, value] of Object.entries(details)) {
        if (value === undefined) continue;
        console.print(
          `${`${name}:`.padEnd(NAME_LENGTH)} ${textOf(name, value)}`,
        );
      }
    }
    return 0;
  },
});

const NAME_LENGTH = "untilBrowserCloses:".length;
/** Members that are instants. */
const INSTANT = /(At|lastAccess|expiry)$/;

/** What of a record may be seen, beside its data; member by member. */
function detailsOf(record: SessionRecord) {
  const { data, flash = {}, formTokens = [], sealed } = record;
  return {
    expiresAt: record.expiresAt,
    idleTimeout: record.idleTimeout,
    absoluteTimeout: record.absoluteTimeout,
    signedInAt: record.signedInAt,
    rotatedAt: record.rotatedAt,
    cookieSentAt: record.cookieSentAt,
    untilBrowserCloses: record.untilBrowserCloses,
    renewals: record.renewals,
    commits: record.commits,
    dataVersion: record.dataVersion,
    isMoving: record.isMoving,
    hasSecret: record.secretHash !== undefined,
    isSealed: sealed !== undefined,
    dataKeys: Object.keys(data).length,
    flashKeys: Object.keys(flash).length,
    formTokens: formTokens.length,
  };
}

function dataOf({ data, flash }: SessionRecord) {
  return { data, flash };
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "number" || value === null) {
    if (name === "user" || name === "label") return "-";
    return INSTANT.test(name) ? timeOf(value) : durationOf(name, value);
  }
  return printable(typeof value === "string" ? value : JSON.stringify(value));
}

function durationOf(name: string, value: number | null): string {
  return name.endsWith("Timeout") ? `${value} ms` : String(value);
}
