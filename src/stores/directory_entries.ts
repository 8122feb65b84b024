import type { SessionRecord } from "../core/record.ts";
import type { EntriesOptions } from "../core/store.ts";
import { userTag } from "../core/user_tag.ts";
import type { Again } from "../disk/file_lock.ts";
import { listFiles } from "../disk/list_directory.ts";
import type { SessionFile } from "./session_file.ts";

/** What {@linkcode directoryEntries} takes. */
export interface DirectoryEntriesOptions extends EntriesOptions {
  /** Takes a step on a session's file; `undefined` where there is none. */
  readonly read: (
    name: string,
    step: (file: SessionFile) => SessionRecord | undefined | Again,
  ) => Promise<SessionRecord | undefined>;
}

const MOST_LISTINGS = 10;

/**
 * Streams the sessions in a directory. There is no index of users, which could
 * drift: for the sessions of one each file is opened, and passed over by the
 * tag in its head. The directory is then listed again, until no session of the
 * user's turns up that the listings before have missed; what they had is not
 * opened again.
 *
 * @param directory The directory.
 * @param options See there.
 */
export async function* directoryEntries(
  directory: string,
  options: DirectoryEntriesOptions,
): AsyncGenerator<
  readonly [id: string, record: SessionRecord, lastAccess: number]
> {
  const { signal, user, read } = options;
  const tag = user === undefined ? undefined : userTag(user);
  let lastAccess = 0;
  const note = (_record: SessionRecord, accessedAt: number) => {
    lastAccess = accessedAt;
    return false;
  };
  const step = (file: SessionFile) =>
    tag !== undefined && file.isOfAnother(tag)
      ? undefined
      : file.load(note, true);

  const seen = new Set<string>();
  for (let listing = 0; listing < MOST_LISTINGS; listing++) {
    let isFound = false;
    for await (const name of listFiles(directory, { signal })) {
      if (seen.has(name)) continue;
      if (user !== undefined) seen.add(name);
      const record = await read(name, step);
      if (record === undefined) continue;
      if (user !== undefined && record.user !== user) continue;
      isFound = true;
      yield [name, record, lastAccess];
    }
    if (user === undefined || !isFound) break;
  }
}
