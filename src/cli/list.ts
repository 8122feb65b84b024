import { isRevocationId } from "../core/revocation.ts";
import type { SessionStore, StoreOptions } from "../core/store.ts";
import { isPlaceholder } from "../migration/move_session.ts";
import { Pacer } from "../system/waiting.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { printable } from "./console.ts";
import { openStore, STORE_OPTIONS } from "./open_store.ts";
import {
  type SessionView,
  type StoredEntry,
  timeOf,
  viewOf,
} from "./session_view.ts";
import { ADDRESS_HELP, PERMISSIONS_HELP } from "./store_address.ts";

const ID_LENGTH = 32;
const BYTES_LENGTH = 8;

/** Lists sessions: `list STORE`. */
export const list: ProgramCommand = defineCommand({
  name: "list",
  summary: "lists sessions",
  positionals: ["STORE"],
  options: {
    user: { value: "USER", help: "list the sessions of this user only" },
    json: { help: "print a line of JSON for each" },
    ...STORE_OPTIONS,
  },
  about:
    `Lists the live sessions, in no order: ID, when it began, was last accessed and
will expire, bytes, user, label. No secret and no data is shown. Memory does not
grow with their number.

${ADDRESS_HELP}`,
  permissions: PERMISSIONS_HELP,
  run: async ({ options, flags, positionals, console, ...call }) => {
    const { signal } = call;
    let listed = 0;
    call.onInterruption(() => `${listed} sessions listed, there may be others`);
    await using opened = await openStore(positionals[0]!, options, console);
    const { user } = options;
    if (!flags.json) console.print(HEAD);
    for await (const entry of sessionsOf(opened.store, { signal, user })) {
      const view = viewOf(entry);
      console.print(flags.json ? JSON.stringify(view) : lineOf(view));
      listed++;
      if (!console.isTerminal) console.showProgress(listed, "sessions listed");
    }
    return 0;
  },
});

/**
 * Streams the sessions of a store, without what a manager keeps beside them, and
 * lets a Ctrl-C come through.
 *
 * @param store The store.
 * @param options Of which user, and what ends it.
 */
export async function* sessionsOf(
  store: SessionStore,
  options: StoreOptions & { readonly user?: string | undefined },
): AsyncGenerator<StoredEntry> {
  for await (const entry of allOf(store, options)) {
    if (!isRevocationId(entry[0])) yield entry;
  }
}

/** The same, with all records of a store. */
export async function* allOf(
  store: SessionStore,
  options: StoreOptions & { readonly user?: string | undefined },
): AsyncGenerator<StoredEntry> {
  const { signal } = options;
  const pacer = new Pacer();
  for await (const entry of store.entries(options)) {
    if (pacer.isDue) await pacer.pause();
    signal?.throwIfAborted();
    // It stands for a session that is still in another store.
    if (!isPlaceholder(entry[1])) yield entry;
  }
}

const HEAD = [
  "ID".padEnd(ID_LENGTH),
  ...["CREATED", "LAST ACCESS", "EXPIRES"].map((title) =>
    title.padEnd(timeOf(0).length)
  ),
  "BYTES".padStart(BYTES_LENGTH),
  "USER, LABEL",
].join("  ");

function lineOf(view: SessionView): string {
  const { id, user, label, createdAt, lastAccess, expiry, bytes } = view;
  const times = [createdAt, lastAccess, expiry].map((instant) =>
    timeOf(instant).padEnd(timeOf(0).length)
  );
  const whose = [user ?? "-", ...label === null ? [] : [label]].map((text) =>
    printable(text)
  );
  return [
    id.padEnd(ID_LENGTH),
    ...times,
    String(bytes).padStart(BYTES_LENGTH),
    whose.join(", "),
  ].join("  ");
}
