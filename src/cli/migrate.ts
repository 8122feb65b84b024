import { createSessionId } from "../core/token.ts";
import type { SessionStore } from "../core/store.ts";
import { migrateSessions } from "../migration/move_session.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { reasonOf } from "./console.ts";
import {
  checkStoreOptions,
  connectStore,
  countSessions,
  openKeptStore,
  STORE_OPTIONS,
} from "./open_store.ts";
import {
  ADDRESS_HELP,
  PERMISSIONS_HELP,
  readAddress,
} from "./store_address.ts";
import { UsageError } from "./usage.ts";

/** How long a trial session stays if this process is killed, in ms. */
const TRIAL_LIFE = 60_000;

/** Moves sessions from one store to another: `migrate FROM TO`. */
export const migrate: ProgramCommand = defineCommand({
  name: "migrate",
  summary: "moves sessions from one store to another",
  positionals: ["FROM", "TO"],
  options: { json: { help: "print one line of JSON" }, ...STORE_OPTIONS },
  about:
    `Moves all sessions from one store to another, with their lifetimes and last
accesses, until the first has none. After an interruption, the same command
moves what is left; with the two in the other order it moves them back.

Servers may run meanwhile if each of them keeps its sessions in a
MigratingSessionStore of the two; other servers would miss sessions that moved.

FROM and TO are each a STORE. TO is made if it is missing; it is written as
directory:PATH, sqlite:FILE or kv:FILE then. --prefix, --table and --schema are
those of both, of whichever has them.

${ADDRESS_HELP}`,
  permissions: PERMISSIONS_HELP,
  run: async ({ options, flags, positionals, console, ...call }) => {
    const { signal } = call;
    const [fromText = "", toText = ""] = positionals;
    const fromAddress = readAddress(fromText, "FROM");
    const toAddress = readAddress(toText, "TO", true);
    checkStoreOptions(options, fromAddress, toAddress);
    let moved = 0;
    const describe = () => `${moved} sessions moved, others may remain`;
    call.onInterruption(describe);
    await using from = await openKeptStore(fromAddress, options, console);
    await using to = await connectStore(toAddress, options, {
      console,
      create: true,
    });
    await to.store.setup();
    if (await isSameStore(from.store, to.store)) {
      throw new UsageError("FROM and TO are the same store");
    }
    const total = console.showsProgress
      ? await countSessions(from, signal)
      : undefined;
    try {
      await migrateSessions(from.store, to.store, {
        signal,
        onProgress: (soFar) => {
          moved = soFar;
          console.showProgress(moved, "sessions moved", total);
        },
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new Error(`${reasonOf(error)} (${describe()})`, { cause: error });
    }
    console.endProgress();
    console.printResult(flags.json, { moved }, `Moved: ${moved}`);
    return 0;
  },
});

/**
 * Tells whether two stores are one, by a session that is there for a moment: a
 * session that moves there would be taken for moved, and deleted.
 */
async function isSameStore(
  one: SessionStore,
  other: SessionStore,
): Promise<boolean> {
  const id = createSessionId();
  const trial = {
    data: {},
    createdAt: Date.now(),
    idleTimeout: TRIAL_LIFE,
  };
  await other.create(id, trial);
  try {
    return await one.has(id);
  } finally {
    await other.delete(id);
  }
}
