/*
 * What happens to one session's file, step by step. Nothing in here waits:
 * each method runs from its first system call to its last without anybody of
 * this process in between, and returns AGAIN, having changed nothing, where
 * somebody of another process is. Two ways to have the file:
 *
 *   read   shared lock; what is whole, flagged as published and not over is the
 *          answer, whatever has happened to the name since: it was current at
 *          some time since the name was opened. Anything else is no answer yet.
 *   hold   exclusive lock, then look: is this still the file behind the name?
 *          Then read the clock, the mtime, the record, in this order. Now
 *          nobody else can replace, touch or remove it.
 */
import { KEEP, type LoadOptions, type RecordChange } from "../core/store.ts";
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
import {
  createFile,
  type DirectoryContext,
  removeFile,
  replaceFile,
} from "./atomic_file.ts";
import { type HeldFile, leadsTo, openHeld, underLock } from "./file_lock.ts";
import { isNoFile, noFile } from "../system/open_regular.ts";
import { AGAIN, type Again } from "../system/waiting.ts";
import { sessionPath, temporaryPath } from "./layout.ts";
import { readHead, readOnce, readRest, readWhole } from "./read_file.ts";
import { system } from "../system/system.ts";
import { publishIndexed, removeIndexed } from "./user_index.ts";
import type { Quarantine } from "./quarantine.ts";

/** What is in a session's file that is held. */
interface Found<T extends Lifetime> {
  readonly record: T;
  /** Whether its time is not over. */
  readonly isLive: boolean;
  /** The tag of its user, if it has one. */
  readonly tag: string | undefined;
}

/** The file of one session, and all that is ever done to it. */
export class SessionFile {
  /** Where it is. */
  readonly path: string;
  readonly #id: string;
  readonly #context: DirectoryContext;
  readonly #quarantine: Quarantine;

  /**
   * @param context The directory, and how to write there.
   * @param id A session ID; whoever calls has checked that it is one.
   * @param quarantine Sees to files that hold no session.
   */
  constructor(context: DirectoryContext, id: string, quarantine: Quarantine) {
    this.path = sessionPath(context.directory, id);
    this.#id = id;
    this.#context = context;
    this.#quarantine = quarantine;
  }

  /**
   * One open file and one shared lock, unless a touch is due.
   *
   * @param touch See there.
   * @param isWary Whether to look before reading, so that whoever reads a whole
   * directory hangs at nothing in it.
   */
  load(
    touch: LoadOptions["touch"],
    isWary = false,
  ): SessionRecord | undefined | Again {
    const read = this.#read(touch, isWary);
    if (typeof read !== "string") return read;
    try {
      return this.#holdRecord(decodeRecord, ({ record, isLive }, held) => {
        if (!isLive) return undefined;
        if (touch?.(record, held.lastAccess)) markAccessed(held);
        return record;
      });
    } catch (error) {
      if (read === "hold" || isNoFile(this.path)) throw error;
      this.#quarantine.report(read, this.path, this.#id, error);
      return undefined;
    }
  }

  /** Replaces what there is, or creates. */
  save(bytes: Uint8Array): true | Again {
    const replaced = this.#hold((held) => {
      const before = isTagged(bytes) ? this.#readTag(held) : undefined;
      return this.#replace(held, bytes, before);
    });
    if (replaced !== undefined) return replaced;
    return this.#create(bytes) || this.#again();
  }

  /** Creates, over a dead session too. */
  create(bytes: Uint8Array, lastAccess?: number): boolean | Again {
    const created = this.#create(bytes, lastAccess);
    if (created !== false) return created;
    const replaced = this.#hold((held) => {
      const old = readWhole(held.file, held.info.size);
      const found = decodeLifetime(this.#id, old);
      const isTaken = typeof found === "object" &&
        !isExpired(found, held.lastAccess, held.now);
      if (isTaken) return false;
      const before = decodeTag(this.#id, old);
      return this.#replace(held, bytes, before, lastAccess);
    });
    return replaced ?? this.#again();
  }

  /** Changes a live session; `change` runs under the lock. */
  update(
    change: RecordChange,
    lastAccess?: number,
  ): SessionRecord | null | undefined | Again {
    return this.#holdRecord(decodeRecord, ({ record, isLive, tag }, held) => {
      if (!isLive) return undefined;
      const changed = change(record);
      if (changed === KEEP) return record;
      if (changed === undefined) {
        this.#remove(tag);
        return null;
      }
      const bytes = encodeRecord(this.#id, changed);
      const replaced = this.#replace(held, bytes, tag, lastAccess);
      return replaced === AGAIN ? AGAIN : changed;
    });
  }

  /** Marks a live session accessed. */
  touch(): boolean | undefined | Again {
    return this.#holdRecord(decodeLifetime, ({ isLive }, held) => {
      if (isLive) markAccessed(held);
      return isLive;
    });
  }

  /** Removes a session, and tells whether it was live. */
  delete(): boolean | undefined | Again {
    return this.#holdRecord(decodeLifetime, ({ isLive, tag }) => {
      this.#remove(tag);
      return isLive;
    });
  }

  /**
   * Deletes a session that is old, by taking its name off; whoever holds it
   * keeps it.
   *
   * @param isDue Decides.
   * @param note Is told under which name the file is now, to be removed, and
   * the tag of its user, whose entry is to be removed after that.
   */
  deleteIfOld(
    isDue: CleanupRule,
    note: (path: string, tag: string | undefined) => void,
  ): "old" | "live" | undefined | Again {
    return this.#holdRecord(decodeLifetime, ({ record, tag }, held) => {
      const { lastAccess, now } = held;
      if (!isDue(record, lastAccess, now)) return "live";
      const path = temporaryPath(this.#context.directory, now, system.random());
      try {
        system.rename(this.path, path);
      } finally {
        note(path, tag);
      }
      return "old";
    });
  }

  #read(
    touch: LoadOptions["touch"],
    isWary: boolean,
  ): SessionRecord | undefined | Again | "hold" | Unusable {
    return underLock(this.path, false, (file) => {
      const wary = isWary ? system.fstat(file) : undefined;
      if (wary?.isFile === false) throw noFile(this.path);
      const first = readOnce(file);
      let found = decodeRecord(this.#id, first);
      if (typeof found === "string") {
        found = decodeRecord(this.#id, readRest(file, first));
      }
      if (typeof found === "string") return found;
      const isKnown = first[FLAG_AT] === PUBLISHED;
      const now = system.now();
      if (isKnown && touch === undefined && found.idleTimeout === undefined) {
        if (!isExpired(found, now, now)) return found;
      }
      // Under the lock nobody touches it.
      const info = wary ?? system.fstat(file);
      const lastAccess = info.mtime!.getTime();
      const isOver = isExpired(found, lastAccess, now);
      if ((isOver || !isKnown) && !leadsTo(this.path, info)) return AGAIN;
      if (isOver) return undefined;
      return touch?.(found, lastAccess) ? "hold" : found;
    }, isWary);
  }

  /** Acts on a record; what holds none is set aside, or left. */
  #holdRecord<T, R extends Lifetime>(
    decode: (id: string, bytes: Uint8Array) => R | Unusable,
    act: (found: Found<R>, held: HeldFile) => T,
  ): T | undefined | Again {
    return this.#hold((held) => {
      const bytes = readWhole(held.file, held.info.size);
      const record = decode(this.#id, bytes);
      if (typeof record === "object") {
        const isLive = !isExpired(record, held.lastAccess, held.now);
        return act({ record, isLive, tag: readTag(bytes) }, held);
      }
      if (record === "unreadable") {
        this.#quarantine.setAside(this.path, this.#id, held.file);
      } else {
        this.#quarantine.report(record, this.path, this.#id);
      }
      return undefined;
    });
  }

  /** Acts on whatever is there; `undefined` when nothing is. */
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
    const put = () => createFile(this.#context, this.path, bytes, lastAccess);
    const publication = { id: this.#id, bytes, before: undefined, put };
    return publishIndexed(this.#context, publication);
  }

  #replace(
    held: HeldFile,
    bytes: Uint8Array,
    before: string | undefined,
    lastAccess?: number,
  ): true | Again {
    const put = () => replaceFile(this.#context, held, bytes, lastAccess);
    return publishIndexed(this.#context, { id: this.#id, bytes, before, put });
  }

  #remove(tag: string | undefined): void {
    const remove = () => removeFile(this.#context, this.path);
    removeIndexed(this.#context.directory, this.#id, tag, remove);
  }

  /** The name is taken after all: start again, unless that would never end. */
  #again(): Again {
    if (isNoFile(this.path)) throw noFile(this.path);
    return AGAIN;
  }
}

/**
 * A clock that was set back may have left the last access in the future: the
 * one case in which it is lowered.
 */
function markAccessed({ file, lastAccess, now }: HeldFile): void {
  if (lastAccess !== now) system.setModified(file, now);
}
