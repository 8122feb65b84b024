import { isRevocationId } from "../core/revocation.ts";
import { thaw } from "../migration/move_session.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { allOf } from "./list.ts";
import { openStore, STORE_OPTIONS } from "./open_store.ts";
import { viewOf } from "./session_view.ts";
import { ADDRESS_HELP, PERMISSIONS_HELP } from "./store_address.ts";

/** What the first line of an export says that it is. */
export const EXPORT_TYPE = "latchkey export 1";

/** Writes all sessions to stdout: `export STORE`. */
export const exportSessions: ProgramCommand = defineCommand({
  name: "export",
  summary: "writes all sessions to stdout, a line of JSON for each",
  positionals: ["STORE"],
  options: {
    data: {
      help:
        "write all that the store has, which `import` can read:\nkeep it as you keep the store",
    },
    ...STORE_OPTIONS,
  },
  about:
    `Writes all live sessions to stdout as NDJSON. Without --data that is what \`list\`
shows, and nothing secret. With it the records are complete, with the data, the
hashes of the secrets and the revocations: a backup.

  (umask 077; … export STORE --data > sessions.ndjson)

Servers may run: each session is written as it was at some time during the export,
and one that began meanwhile may be missing.

${ADDRESS_HELP}`,
  permissions: PERMISSIONS_HELP,
  run: async ({ options, flags, positionals, console, ...call }) => {
    const { signal } = call;
    const { data } = flags;
    let written = 0;
    call.onInterruption(() =>
      `${written} sessions written, the others are missing`
    );
    await using opened = await openStore(positionals[0]!, options, console);
    const { store } = opened;
    // An escaped key could not be imported.
    const print = (line: object) => {
      const json = JSON.stringify(line);
      if (data && !console.isTerminal) console.printExactly(json);
      else console.print(json);
    };
    print({ type: EXPORT_TYPE, data, exportedAt: Date.now() });
    // A revocation that began meanwhile ended sessions which are written already.
    for (const isOfMarks of data ? [false, true] : [false]) {
      for await (const entry of allOf(store, { signal })) {
        const [id, record, lastAccess] = entry;
        if (isRevocationId(id) !== isOfMarks) continue;
        // What a migration has marked there would stay shut.
        const whole = { id, lastAccess, record: thaw(record) };
        print(data ? whole : viewOf(entry));
        if (isOfMarks) continue;
        written++;
        if (!console.isTerminal) {
          console.showProgress(written, "sessions written");
        }
      }
    }
    // Without it a backup that was cut off would look whole.
    print({ sessions: written });
    return 0;
  },
});
