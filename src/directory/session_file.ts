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
 *   hold   take the exclusive lock, then look: is this still the file behind the
 *          name? Then read the clock, the mtime and the record, in this order.
 *          Now no other process can replace, touch or remove it.
 */
import {
  decodeLifetime,
  decodeRecord,
  decodeTag,
  encodeRecord,
  FLAG_AT,
  isTagged,
  LONGEST_HEAD,
  PUBLISHED,
  readTag,
  type Unusable,
} from "../core/codec.ts";
import {
  type CleanupRule,
  isExpired,
  type Lifetime,
  type SessionRecord,
} from "../core/record.ts";
import { KEEP, type LoadOptions, type RecordChange } from "../core/store.ts";
import { isNotFile, notFileError } from "../system/files.ts";
import { system } from "../system/system.ts";
import { AGAIN, type Again } from "../system/waiting.ts";
import {
  createFile,
  type DirectoryContext,
  removeFile,
  replaceFile,
} from "./atomic_file.ts";
import { type HeldFile, leadsTo, openHeld, underLock } from "./file_lock.ts";
import { sessionPath, temporaryPath } from "./layout.ts";
import type { Quarantine } from "./quarantine.ts";
import { readHead, readOnce, readRest, readWhole } from "./read_file.ts";
import { publishIndexed, removeIndexed } from "./user_index.ts";

/** The file of one session, and every operation on it. */
export class SessionFile {
  /** Where it is. */
  readonly path: string;
  readonly #id: string;
  readonly #context: DirectoryContext;
  readonly #quarantine: Quarantine;

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
   * @param touch Decides whether to mark it accessed.
   * @param isWary Whether to look before reading, so that a process that reads a
   * whole directory waits for no pipe in it.
   */
  load(
    touch: LoadOptions["touch"],
    isWary = false,
  ): SessionRecord | undefined | Again {
    const read = this.#read(touch, isWary);
    if (typeof read !== "string") return read;
    try {
      return this.#holdRecord(decodeRecord, (record, held) => {
        if (!isLive(record, held)) return undefined;
        if (touch?.(record, held.lastAccess)) markAccessed(held);
        return record;
      });
    } catch (error) {
      if (read === "hold" || isNotFile(this.path)) throw error;
      this.#quarantine.report(read, this.path, this.#id, error);
      return undefined;
    }
  }

  /** Replaces whatever is there, or creates. */
  save(bytes: Uint8Array): true | Again {
    const replaced = this.#hold((held) => {
      const before = isTagged(bytes) ? this.#readTag(held) : undefined;
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
      const lifetime = decodeLifetime(this.#id, old);
      if (typeof lifetime === "object" && isLive(lifetime, held)) return false;
      const before = decodeTag(this.#id, old);
      return this.#replace(held, bytes, before, lastAccess);
    });
    return replaced ?? this.#again();
  }

  /** Changes a live session; `change` runs under the lock. */
  update(
    change: RecordChange,
    lastAccess?: number | "unchanged",
  ): SessionRecord | null | undefined | Again {
    return this.#holdRecord(decodeRecord, (record, held, tag) => {
      if (!isLive(record, held)) return undefined;
      const changed = change(record);
      if (changed === KEEP) return record;
      if (changed === undefined) {
        this.#remove(tag);
        return null;
      }
      const bytes = encodeRecord(this.#id, changed);
      // The mtime has fractions.
      const accessedAt = lastAccess === "unchanged"
        ? Math.floor(held.lastAccess)
        : lastAccess;
      const replaced = this.#replace(held, bytes, tag, accessedAt);
      return replaced === AGAIN ? AGAIN : changed;
    });
  }

  /** Marks a live session accessed. */
  touch(): boolean | undefined | Again {
    return this.#holdRecord(decodeLifetime, (lifetime, held) => {
      if (!isLive(lifetime, held)) return false;
      markAccessed(held);
      return true;
    });
  }

  /** Removes a session, and tells whether it was live. */
  delete(): boolean | undefined | Again {
    return this.#holdRecord(decodeLifetime, (lifetime, held, tag) => {
      this.#remove(tag);
      return isLive(lifetime, held);
    });
  }

  /**
   * Deletes a session that is due, by giving its file another name, and tells
   * whether it was; a session that another process holds stays.
   *
   * @param isDue The rule.
   * @param note Is given the file's new name, for its removal, and the tag of
   * its user, whose entry is to be removed after that.
   */
  deleteIfDue(
    isDue: CleanupRule,
    note: (path: string, tag: string | undefined) => void,
  ): boolean | undefined | Again {
    return this.#holdRecord(decodeLifetime, (lifetime, held, tag) => {
      const { lastAccess, now } = held;
      if (!isDue(lifetime, lastAccess, now)) return false;
      const path = temporaryPath(this.#context.directory, now, system.random());
      try {
        system.rename(this.path, path);
      } finally {
        note(path, tag);
      }
      return true;
    });
  }

  #read(
    touch: LoadOptions["touch"],
    isWary: boolean,
  ): SessionRecord | undefined | Again | "hold" | Unusable {
    return underLock(this.path, false, (file) => {
      const wary = isWary ? system.fstat(file) : undefined;
      if (wary?.isFile === false) throw notFileError(this.path);
      const first = readOnce(file);
      let found = decodeRecord(this.#id, first);
      if (typeof found === "string") {
        found = decodeRecord(this.#id, readRest(file, first));
      }
      if (typeof found === "string") return found;
      const isPublished = first[FLAG_AT] === PUBLISHED;
      const now = system.now();
      if (
        isPublished && touch === undefined && found.idleTimeout === undefined
      ) {
        if (!isExpired(found, now, now)) return found;
      }
      // Under the lock no process touches it.
      const info = wary ?? system.fstat(file);
      const lastAccess = info.mtime!.getTime();
      const hasExpired = isExpired(found, lastAccess, now);
      if ((hasExpired || !isPublished) && !leadsTo(this.path, info)) {
        return AGAIN;
      }
      if (hasExpired) return undefined;
      return touch?.(found, lastAccess) ? "hold" : found;
    }, isWary);
  }

  /** Acts on a record and the tag in it; a file without one is set aside, or left. */
  #holdRecord<T, R extends Lifetime>(
    decode: (id: string, bytes: Uint8Array) => R | Unusable,
    act: (record: R, held: HeldFile, tag: string | undefined) => T,
  ): T | undefined | Again {
    return this.#hold((held) => {
      const bytes = readWhole(held.file, held.info.size);
      const record = decode(this.#id, bytes);
      if (typeof record === "object") return act(record, held, readTag(bytes));
      if (record === "unreadable") {
        this.#quarantine.setAside(this.path, this.#id, held.file);
      } else {
        this.#quarantine.report(record, this.path, this.#id);
      }
      return undefined;
    });
  }

  /** Acts on whatever is there; `undefined` when the name is missing. */
  #hold<T>(act: (held: HeldFile) => T): T | undefined | Again {
    const held = openHeld(this.path);
    if (held === undefined || held === AGAIN) return held;
    try {
      return act(held);
    } finally {
      held[Symbol.dispose]();
    }
  }

  #readTag({ file, info }: HeldFile): string | undefined {
    const head = readHead(file, Math.min(info.size, LONGEST_HEAD));
    return decodeTag(this.#id, head);
  }

  #create(bytes: Uint8Array, lastAccess?: number): boolean | Again {
    return publishIndexed(
      this.#context,
      this.#id,
      bytes,
      undefined,
      () => createFile(this.#context, this.path, bytes, lastAccess),
    );
  }

  #replace(
    held: HeldFile,
    bytes: Uint8Array,
    before: string | undefined,
    lastAccess?: number,
  ): true | Again {
    return publishIndexed(
      this.#context,
      this.#id,
      bytes,
      before,
      () => replaceFile(this.#context, held, bytes, lastAccess),
    );
  }

  #remove(tag: string | undefined): void {
    const remove = () => removeFile(this.#context, this.path);
    removeIndexed(this.#context.directory, this.#id, tag, remove);
  }

  /** The name was missing and then taken: start again, unless that never ends. */
  #again(): Again {
    if (isNotFile(this.path)) throw notFileError(this.path);
    return AGAIN;
  }
}

function isLive(lifetime: Lifetime, { lastAccess, now }: HeldFile): boolean {
  return !isExpired(lifetime, lastAccess, now);
}

/**
 * Marks a session accessed. A clock that was set back may have left the last
 * access in the future: only then is it lowered.
 */
function markAccessed({ file, lastAccess, now }: HeldFile): void {
  if (lastAccess !== now) system.setModified(file, now);
}
