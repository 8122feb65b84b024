import { userTag } from "../core/codec.ts";
import type { SessionRecord } from "../core/record.ts";
import type { EntriesOptions, LoadOptions } from "../core/store.ts";
import { listFiles } from "../system/files.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import { listTagged } from "./user_index.ts";

/** A session, as `entries` of a store streams it. */
type DirectoryEntry = readonly [
  id: string,
  record: SessionRecord,
  lastAccess: number,
];

/** Loads the session that a file name says, if it is one's. */
type Load = (
  name: string,
  touch: LoadOptions["touch"],
) => Promise<SessionRecord | undefined>;

const MOST_LISTINGS = 10;

/**
 * Streams the sessions in a directory; those of one user as the index has them,
 * see `directory/user_index.ts`.
 *
 * @param context The directory.
 * @param load Loads a session; `undefined` where there is none.
 * @param options Which sessions.
 */
export async function* directoryEntries(
  context: DirectoryContext,
  load: Load,
  { signal, user }: EntriesOptions,
): AsyncGenerator<DirectoryEntry> {
  if (user !== undefined) {
    yield* entriesOf(user, context, load, signal);
    return;
  }
  for await (const name of listFiles(context.directory, { signal })) {
    const entry = await read(name, load);
    if (entry !== undefined) yield entry;
  }
}

/**
 * Lists again until a listing brings no new session of the user: one may have
 * been made during the listing before.
 */
async function* entriesOf(
  user: string,
  context: DirectoryContext,
  load: Load,
  signal: AbortSignal | undefined,
): AsyncGenerator<DirectoryEntry> {
  const tag = userTag(user);
  const seen = new Set<string>();
  for (let listing = 0; listing < MOST_LISTINGS; listing++) {
    let isFound = false;
    for await (const id of listTagged(context, tag, { signal })) {
      if (seen.has(id)) continue;
      seen.add(id);
      const entry = await read(id, load);
      if (entry?.[1].user !== user) continue;
      isFound = true;
      yield entry;
    }
    if (!isFound) break;
  }
}

async function read(
  name: string,
  load: Load,
): Promise<DirectoryEntry | undefined> {
  let lastAccess = 0;
  const record = await load(name, (_record, accessedAt) => {
    lastAccess = accessedAt;
    return false;
  });
  return record && [name, record, lastAccess];
}
