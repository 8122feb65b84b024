/*
 * Stores that make a manager do what it must not: they stand between it and
 * the disk, where each of these mistakes shows.
 */
import { isRevocationId, revocationId } from "../../src/core/revocation.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import type {
  EntriesOptions,
  HeldLock,
  LoadOptions,
} from "../../src/core/store.ts";
import { system } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { USER } from "../constants.ts";

type Change = (record: SessionRecord) => SessionRecord | undefined;

/** Commits to the loaded record even if the session was deleted meanwhile. */
export class UpsertingStore extends DirectorySessionStore {
  #loaded: SessionRecord | undefined;

  override async load(
    id: string,
    options?: LoadOptions,
  ): Promise<SessionRecord | undefined> {
    return this.#loaded = await super.load(id, options);
  }

  override async update(
    id: string,
    change: Change,
  ): Promise<SessionRecord | null | undefined> {
    const kept = await super.update(id, change);
    if (kept !== undefined || this.#loaded === undefined) return kept;
    const record = change(this.#loaded)!;
    await this.save(id, record);
    return record;
  }
}

/** Stores the link from the previous secret in a second step. */
export class TwoStepStore extends DirectorySessionStore {
  override async update(
    id: string,
    change: Change,
  ): Promise<SessionRecord | null | undefined> {
    let way: Pick<SessionRecord, "previous"> = {};
    const kept = await super.update(id, (record) => {
      const changed = change(record);
      if (changed?.previous === undefined) return changed;
      const { previous, ...rest } = changed;
      way = { previous };
      return rest;
    });
    if (way.previous === undefined || !kept) return kept;
    return await super.update(id, (record) => ({ ...record, ...way }));
  }
}

/** Changes the secret, and leaves sealed what was sealed with the old one. */
export class StaleSealStore extends DirectorySessionStore {
  override update(
    id: string,
    change: Change,
  ): Promise<SessionRecord | null | undefined> {
    return super.update(id, (record) => {
      const changed = change(record);
      return changed && { ...changed, sealed: record.sealed! };
    });
  }
}

/** Reads the revocation when a session is opened, and not when it is committed. */
export class OnceHeardStore extends DirectorySessionStore {
  #isHeard = false;

  override load(
    id: string,
    options?: LoadOptions,
  ): Promise<SessionRecord | undefined> {
    const isMark = isRevocationId(id);
    if (isMark && this.#isHeard) return Promise.resolve(undefined);
    this.#isHeard = isMark;
    return super.load(id, options);
  }
}

/** Reads the revocation when a session is committed, and not when it is opened. */
export class LateHeardStore extends DirectorySessionStore {
  #isOpened = false;

  override load(
    id: string,
    options?: LoadOptions,
  ): Promise<SessionRecord | undefined> {
    const isFirst = isRevocationId(id) && !this.#isOpened;
    this.#isOpened = isRevocationId(id);
    return isFirst ? Promise.resolve(undefined) : super.load(id, options);
  }
}

/** Writes sessions of users with another generation. */
class RegenerationStore extends DirectorySessionStore {
  /** The generation to write for the one that is due. */
  protected generation(due: number | undefined): number | undefined {
    return due;
  }

  #change(record: SessionRecord): SessionRecord {
    const { userGeneration, ...rest } = record;
    if (record.user === undefined) return record;
    const generation = this.generation(userGeneration);
    return generation === undefined
      ? rest
      : { ...rest, userGeneration: generation };
  }

  override create(id: string, record: SessionRecord): Promise<boolean> {
    return super.create(id, this.#change(record));
  }

  override update(
    id: string,
    change: Change,
  ): Promise<SessionRecord | null | undefined> {
    return super.update(id, (record) => {
      const changed = change(record);
      const isLogin = changed?.secretHash !== record.secretHash;
      return changed && isLogin ? this.#change(changed) : changed;
    });
  }
}

/** Stores no generation at a login. */
export class ForgetfulStore extends RegenerationStore {
  protected override generation(): undefined {}
}

/** Compares with the revocation's generation by `<=`. */
export class NotNewerStore extends RegenerationStore {
  protected override generation(due: number | undefined): number | undefined {
    return due === undefined ? due : due - 1;
  }
}

/** Stores the time as the generation. */
export class ClockStore extends RegenerationStore {
  protected override generation(): number {
    return system.now();
  }
}

/** Lists the sessions first, and writes the revocation afterwards. */
export class ListFirstStore extends DirectorySessionStore {
  #renew: Change | undefined;

  override async update(
    id: string,
    change: Change,
  ): Promise<SessionRecord | null | undefined> {
    if (!isRevocationId(id)) return await super.update(id, change);
    this.#renew = change;
    return change({ data: {}, createdAt: 0 });
  }

  override async *entries(
    options?: EntriesOptions,
  ): AsyncGenerator<readonly [string, SessionRecord, number]> {
    yield* super.entries(options);
    if (this.#renew === undefined) return;
    await super.save(
      revocationId(USER),
      this.#renew({ data: {}, createdAt: 0 })!,
    );
    this.#renew = undefined;
  }
}

/** Writes no revocation, and relies on the listing. */
export class ListingOnlyStore extends DirectorySessionStore {
  override async update(
    id: string,
    change: Change,
  ): Promise<SessionRecord | null | undefined> {
    return isRevocationId(id)
      ? change({ data: {}, createdAt: 0 })
      : await super.update(id, change);
  }
}

/** Spares a session even if an earlier revocation ended it. */
export class SparingStore extends DirectorySessionStore {
  override update(
    id: string,
    change: Change,
  ): Promise<SessionRecord | null | undefined> {
    return super.update(id, (record) => {
      const changed = change(record);
      if (!isRevocationId(id) || changed?.data.except === undefined) {
        return changed;
      }
      const except = { ...changed.data.except as object, generation: 0 };
      return { ...changed, data: { ...changed.data, except } };
    });
  }
}

/** Frees the lock of a session before the request is done. */
export class UnlockedStore extends DirectorySessionStore {
  override async lock(id: string): Promise<HeldLock> {
    const lock = await super.lock(id);
    await lock[Symbol.asyncDispose]();
    return lock;
  }
}
