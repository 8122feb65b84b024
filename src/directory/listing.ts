import type { SessionRecord } from "../core/record.ts";
import type { EntriesOptions } from "../core/store.ts";
import { userTag } from "../core/codec.ts";
import type { Again } from "../system/waiting.ts";
import { listFiles } from "../system/list_directory.ts";
import { listTagged } from "./user_index.ts";
import type { SessionFile } from "./session_file.ts";

/** What {@linkcode directoryEntries} takes. */
export interface DirectoryEntriesOptions extends EntriesOptions {
  /** Takes a step on a session's file; `undefined` where there is none. */
  readonly read: (
    name: string,
    step: (file: SessionFile) => SessionRecord | undefined | Again,
  ) => Promise<SessionRecord | undefined>;
}

/** What is streamed of a session. */
export type DirectoryEntry = readonly [
  id: string,
  record: SessionRecord,
  lastAccess: number,
];

const MOST_LISTINGS = 10;

/**
 * Streams the sessions in a directory; those of one user as the index has them,
 * see `directory/user_index.ts`.
 *
 * @param directory The directory.
 * @param options See there.
 */
export async function* directoryEntries(
  directory: string,
  options: DirectoryEntriesOptions,
): AsyncGenerator<DirectoryEntry> {
  const { signal, user } = options;
  if (user !== undefined) {
    yield* entriesOf(user, directory, options);
    return;
  }
  for await (const name of listFiles(directory, { signal })) {
    const entry = await read(name, options);
    if (entry !== undefined) yield entry;
  }
}

/**
 * Lists again, until no session of the user's turns up that the listings before
 * have missed: one may have begun meanwhile.
 */
async function* entriesOf(
  user: string,
  directory: string,
  options: DirectoryEntriesOptions,
): AsyncGenerator<DirectoryEntry> {
  const tag = userTag(user);
  const seen = new Set<string>();
  for (let listing = 0; listing < MOST_LISTINGS; listing++) {
    let isFound = false;
    for await (
      const id of listTagged(directory, tag, { signal: options.signal })
    ) {
      if (seen.has(id)) continue;
      seen.add(id);
      const entry = await read(id, options);
      if (entry?.[1].user !== user) continue;
      isFound = true;
      yield entry;
    }
    if (!isFound) break;
  }
}

async function read(
  id: string,
  options: DirectoryEntriesOptions,
): Promise<DirectoryEntry | undefined> {
  let lastAccess = 0;
  const note = (_record: SessionRecord, accessedAt: number) => {
    lastAccess = accessedAt;
    return false;
  };
  const record = await options.read(id, (file) => file.load(note, true));
  return record && [id, record, lastAccess];
}
