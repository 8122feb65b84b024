/*
 * The file of one session, step by step. No step waits: each method runs from
 * its first system call to its last without any other flow of this process in
 * between. Where it meets another process it returns AGAIN, having changed
 * nothing. There are two ways to get at the file:
 *
 *   read   take the shared lock. A record that is whole, flagged as published and
 *          not expired is the answer, whatever happened to the name since: it was
 *          current at some time since the name was opened. Anything else is not
 *          an answer yet.
 *   hold   take the exclusive lock, then read the clock, then look: is this still
 *          the file behind the name? Then read the record. Now no other process
 *          can replace, touch or remove it.
 *
 * What writes the last access (a touch, a change, a new session) takes it from the
 * clock under the lock, anew at each try: by an earlier one it could lower what
 * another process has written meanwhile, or revive what has expired meanwhile.
 */
import {
  ACCESS_AT,
  decodeLifetime,
  decodeRecord,
  decodeTag,
  encodeLastAccess,
  encodeRecord,
  FLAG_AT,
  isNewer,
  isTagged,
  LONGEST_HEAD,
  PUBLISHED,
  putLastAccess,
  readLastAccess,
  readTag,
  type Unusable,
} from "../core/codec.ts";
import {
  SessionFormatError,
  SessionLockTimeoutError,
  SessionUnreadableError,
} from "../core/errors.ts";
import {
  type CleanupRule,
  isExpired,
  type Lifetime,
  type SessionRecord,
} from "../core/record.ts";
import { isRevocationId } from "../core/revocation.ts";
import { KEEP, type LoadOptions, type RecordChange } from "../core/store.ts";
import { isFull, isNotFile, notFileError } from "../system/files.ts";
import { system } from "../system/system.ts";
import { AGAIN, type Again } from "../system/waiting.ts";
import {
  createFile,
  type DirectoryContext,
  removeFile,
  replaceFile,
} from "./atomic_file.ts";
import {
  type HeldFile,
  leadsTo,
  openHeld,
  readUnderLock,
} from "./file_lock.ts";
import { sessionPath, temporaryPath } from "./layout.ts";
import { checkStillThere } from "./prepare_directory.ts";
import type { Quarantine } from "./quarantine.ts";
import { readHead, readOnce, readRest, readWhole } from "./read_file.ts";
import { publishIndexed, removeIndexed } from "./user_index.ts";

/** A live record that was read, and is to be touched. */
class DueTouch {
  readonly record: SessionRecord;

  /** @param record The record. */
  constructor(record: SessionRecord) {
    this.record = record;
  }
}

/** A record in a file that is held, and what its head says beside it. */
interface Found<R> {
  readonly record: R;
  readonly held: HeldFile;
  /** When it was last accessed, in ms since the epoch. */
  readonly lastAccess: number;
  /** The tag of its user, if it has one. */
  readonly tag: string | undefined;
}

/** The file of one session, and every operation on it. */
export class SessionFile {
  /** Where it is. */
  readonly path: string;
  readonly #id: string;
  readonly #context: DirectoryContext;
  readonly #quarantine: Quarantine;
  /** What the last load has read, and not marked. */
  #unmarked: SessionRecord | undefined;

  /**
   * @param context The directory, and how to write there.
   * @param id A session ID; the caller has checked that it is one.
   * @param quarantine Takes files that are not a session's.
   */
  constructor(context: DirectoryContext, id: string, quarantine: Quarantine) {
    this.path = sessionPath(context.directory, id);
    this.#id = id;
    this.#context = context;
    this.#quarantine = quarantine;
  }

  /**
   * Loads a session: one open file and one shared lock, unless a touch is due.
   *
   * @param options May mark it accessed, or throw where there is something that
   * cannot be read.
   * @param isWary Whether to look before reading, so that a process that reads a
   * whole directory waits for no pipe in it.
   */
  load(
    options: LoadOptions,
    isWary = false,
  ): SessionRecord | undefined | Again {
    if (!options.mustBeReadable) return this.#load(options, isWary);
    try {
      return this.#load(options, isWary);
    } catch (error) {
      if (error instanceof SessionUnreadableError) throw error;
      throw new SessionUnreadableError(this.#id, { cause: error });
    }
  }

  /**
   * Reads; and reads again, held, to touch what is due and to judge what cannot be
   * read. Where it then cannot be marked, what was read last is the answer.
   */
  #load(
    { touch, mustBeReadable, onExpired }: LoadOptions,
    isWary: boolean,
  ): SessionRecord | undefined | Again {
    const read = this.#read(touch, onExpired, isWary);
    const isDue = read instanceof DueTouch;
    let last = this.#unmarked = isDue ? read.record : undefined;
    if (!isDue && typeof read !== "string") return read;
    let isAsking = false;
    try {
      return this.#holdRecord(decodeRecord, (found) => {
        if (!isLive(found)) return void onExpired?.();
        last = found.record;
        isAsking = true;
        const isStillDue = touch?.(last, found.lastAccess);
        isAsking = false;
        if (isStillDue) markAccessed(found);
        return last;
      }, (problem) => {
        if (!mustBeReadable) return undefined;
        this.#quarantine.report(problem, this.path, this.#id);
        throw new SessionUnreadableError(this.#id);
      });
    } catch (error) {
      const isUnreadable = error instanceof SessionUnreadableError;
      if (isUnreadable || isAsking || isNotFile(this.path)) throw error;
      if (last !== undefined) return this.#leaveUnmarked(last, error);
      if (isDue || mustBeReadable) throw error;
      this.#quarantine.report(read, this.path, this.#id, error);
      return undefined;
    }
  }

  /**
   * Answers a load that waited too long to mark what it could read: another process
   * only reads it, for as long.
   *
   * @param error Why the wait has ended.
   * @throws The error, if there is no such record.
   */
  giveUp(error: unknown): SessionRecord {
    const isTimeout = error instanceof SessionLockTimeoutError;
    if (!isTimeout || this.#unmarked === undefined) throw error;
    return this.#leaveUnmarked(this.#unmarked, error);
  }

  #leaveUnmarked(record: SessionRecord, error: unknown): SessionRecord {
    const about = { sessionId: this.#id, path: this.path };
    const what = `mark session ${this.#id} accessed`;
    this.#context.warnings.unwritten(what, error, about);
    return record;
  }

  /** Replaces whatever is there, or creates. */
  save(bytes: Uint8Array): true | Again {
    const replaced = this.#hold((held) => {
      const { file, info } = held;
      const head = readHead(file, Math.min(info.size, LONGEST_HEAD));
      if (isNewer(head)) throw new SessionFormatError(this.#id);
      const before = isTagged(bytes) ? decodeTag(this.#id, head) : undefined;
      return this.#replace(held, bytes, before);
    });
    if (replaced !== undefined) return replaced;
    return this.#create(bytes) || this.#again();
  }

  /** Creates, also over an expired session. */
  create(bytes: Uint8Array, lastAccess?: number): boolean | Again {
    const created = this.#create(bytes, lastAccess);
    if (created !== false) return created;
    const replaced = this.#hold((held) => {
      const old = readWhole(held.file, held.info.size);
      const record = decodeLifetime(this.#id, old);
      if (record === "newer") throw new SessionFormatError(this.#id);
      const before = decodeTag(this.#id, old);
      if (typeof record === "object") {
        const found = { record, held, lastAccess: readLastAccess(old)! };
        if (isLive(found)) return false;
      }
      return this.#replace(held, bytes, before, lastAccess);
    });
    return replaced ?? this.#again();
  }

  /** Changes a live session; `change` runs under the lock. */
  update(
    change: RecordChange,
    lastAccess?: number | "unchanged",
  ): SessionRecord | null | undefined | Again {
    return this.#holdRecord(decodeRecord, (found) => {
      if (!isLive(found)) return undefined;
      const { record, held, tag } = found;
      const changed = change(record);
      if (changed === KEEP) return record;
      if (changed === undefined) {
        this.#remove(tag);
        return null;
      }
      const bytes = encodeRecord(this.#id, changed);
      const accessedAt = lastAccess === "unchanged"
        ? found.lastAccess
        : lastAccess;
      const replaced = this.#replace(held, bytes, tag, accessedAt);
      return replaced === AGAIN ? AGAIN : changed;
    });
  }

  /** Marks a live session accessed. */
  touch(): boolean | undefined | Again {
    return this.#holdRecord(decodeLifetime, (found) => {
      if (!isLive(found)) return false;
      markAccessed(found);
      return true;
    });
  }

  /** Removes a session, and tells whether it was live. */
  delete(): boolean | undefined | Again {
    return this.#holdRecord(decodeLifetime, (found) => {
      this.#remove(found.tag);
      return isLive(found);
    }, (problem) => {
      if (problem !== "newer") return undefined;
      this.#remove(undefined);
      return true;
    });
  }

  /**
   * Deletes a session that is due, by giving its file another name, and tells
   * whether it was; a session that another process holds stays.
   *
   * @param isDue The rule.
   * @param note Is given the file's new name, for its removal, if it has one, and
   * the tag of its user, whose entry is to be removed after that.
   */
  deleteIfDue(
    isDue: CleanupRule,
    note: (path: string | undefined, tag: string | undefined) => void,
  ): boolean | undefined | Again {
    return this.#holdRecord(decodeLifetime, (found) => {
      const { record, lastAccess, held, tag } = found;
      const { now } = held;
      if (!isDue(record, lastAccess, now)) return false;
      const path = temporaryPath(this.#context.directory, now, system.random());
      try {
        system.rename(this.path, path);
        note(path, tag);
      } catch (error) {
        // A new name can take a block, which a removal does not.
        const isRemovable = isFull(error) && leadsTo(this.path, held.info);
        note(isRemovable ? undefined : path, tag);
        if (!isRemovable) throw error;
        system.remove(this.path);
      }
      return true;
    });
  }

  #read(
    touch: LoadOptions["touch"],
    onExpired: LoadOptions["onExpired"],
    isWary: boolean,
  ): SessionRecord | undefined | Again | DueTouch | Unusable {
    return readUnderLock(this.path, isWary, (file) => {
      const wary = isWary ? system.fstat(file) : undefined;
      if (wary?.isFile === false) throw notFileError(this.path);
      let bytes = readOnce(file);
      let found = decodeRecord(this.#id, bytes);
      if (typeof found === "string") {
        bytes = readRest(file, bytes);
        found = decodeRecord(this.#id, bytes);
      }
      if (typeof found === "string") return found;
      const isPublished = bytes[FLAG_AT] === PUBLISHED;
      const lastAccess = readLastAccess(bytes)!;
      const hasExpired = isExpired(found, lastAccess, system.now());
      if (hasExpired || !isPublished) {
        const info = wary ?? system.fstat(file);
        if (!leadsTo(this.path, info)) return AGAIN;
      }
      if (hasExpired) return void onExpired?.();
      return touch?.(found, lastAccess) ? new DueTouch(found) : found;
    });
  }

  /**
   * Acts on a record. A file without one is set aside, or left, unless `refuse`
   * answers; an unreadable revocation is left, since it is not "no revocation".
   */
  #holdRecord<T, R extends Lifetime>(
    decode: (id: string, bytes: Uint8Array) => R | Unusable,
    act: (found: Found<R>) => T,
    refuse?: (problem: Unusable) => T | undefined,
  ): T | undefined | Again {
    return this.#hold((held) => {
      const bytes = readWhole(held.file, held.info.size);
      const record = decode(this.#id, bytes);
      if (typeof record === "object") {
        const lastAccess = readLastAccess(bytes)!;
        return act({ record, held, lastAccess, tag: readTag(bytes) });
      }
      const refused = refuse?.(record);
      if (refused !== undefined) return refused;
      if (record === "unreadable" && !isRevocationId(this.#id)) {
        this.#quarantine.setAside(this.path, this.#id, held.file);
      } else {
        this.#quarantine.report(record, this.path, this.#id);
      }
      return undefined;
    });
  }

  /** Acts on whatever is there; `undefined` when the name is missing. */
  #hold<T>(act: (held: HeldFile) => T): T | undefined | Again {
    const held = openHeld(this.path, this.#context.warnings);
    if (held === undefined || held === AGAIN) return held;
    try {
      return act(held);
    } finally {
      held[Symbol.dispose]();
    }
  }

  /** It looks at the directory: it may be another one, or have lost its marker. */
  #create(bytes: Uint8Array, lastAccess?: number): boolean | Again {
    checkStillThere(this.#context);
    return publishIndexed(
      this.#context,
      this.#id,
      bytes,
      undefined,
      () => {
        putLastAccess(bytes, lastAccess ?? system.now());
        return createFile(this.#context, this.path, bytes);
      },
    );
  }

  #replace(
    held: HeldFile,
    bytes: Uint8Array,
    before: string | undefined,
    lastAccess = held.now,
  ): true | Again {
    putLastAccess(bytes, lastAccess);
    return publishIndexed(
      this.#context,
      this.#id,
      bytes,
      before,
      () => replaceFile(this.#context, held, bytes),
    );
  }

  #remove(tag: string | undefined): void {
    const remove = () => removeFile(this.#context, this.path);
    removeIndexed(this.#context, this.#id, tag, remove);
  }

  /** The name was missing and then taken: start again, unless that never ends. */
  #again(): Again {
    if (isNotFile(this.path)) throw notFileError(this.path);
    return AGAIN;
  }
}

function isLive(
  { record, lastAccess, held }: Omit<Found<Lifetime>, "tag">,
): boolean {
  return !isExpired(record, lastAccess, held.now);
}

/**
 * Marks a session accessed. A clock that was set back may have left the last
 * access in the future: only then is it lowered, since it and the clock are read
 * under the lock. It takes one write, so that no reader and no crash finds digits
 * of two times.
 */
function markAccessed({ held, lastAccess }: Found<Lifetime>): void {
  if (lastAccess === held.now) return;
  const digits = encodeLastAccess(held.now);
  if (system.overwrite(held.file, ACCESS_AT, digits) === digits.length) return;
  throw new Deno.errors.WriteZero(
    `Cannot mark a session accessed: ${held.path} takes too few bytes`,
  );
}
