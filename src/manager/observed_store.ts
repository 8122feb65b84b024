import type { SessionRecord } from "../core/record.ts";
import {
  type CreateOptions,
  type EntriesOptions,
  KEEP,
  type LoadOptions,
  type RecordChange,
  type SessionStore,
  type UpdateOptions,
} from "../core/store.ts";
import type { ManagedStore } from "./bounded_store.ts";
import type { Observe } from "./operations.ts";

/** Tells each call of a store, and what came of it. */
export class ObservedStore implements ManagedStore {
  readonly lock?: NonNullable<SessionStore["lock"]>;
  readonly #store: ManagedStore;
  readonly #observe: Observe;

  constructor(store: ManagedStore, observe: Observe) {
    this.#store = store;
    this.#observe = observe;
    if (store.lock !== undefined) {
      this.lock = (id, options) =>
        observe("store lock", () => store.lock!(id, options), () => "locked");
    }
  }

  load(
    id: string,
    options: LoadOptions = {},
  ): Promise<SessionRecord | undefined> {
    const { touch, onExpired } = options;
    let found = "hit";
    let missing = "miss";
    const watched: LoadOptions = {
      ...options,
      touch: touch && ((record, lastAccess) => {
        const isTouched = touch(record, lastAccess);
        found = isTouched ? "touched" : "hit";
        return isTouched;
      }),
      onExpired: () => {
        missing = "expired";
        onExpired?.();
      },
    };
    return this.#observe(
      "store load",
      () => this.#store.load(id, watched),
      (record) => record === undefined ? missing : found,
    );
  }

  create(
    id: string,
    record: SessionRecord,
    options?: CreateOptions,
  ): Promise<boolean> {
    return this.#observe(
      "store create",
      () => this.#store.create(id, record, options),
      (isCreated) => isCreated ? "created" : "taken",
    );
  }

  update(
    id: string,
    change: RecordChange,
    options?: UpdateOptions,
  ): Promise<SessionRecord | null | undefined> {
    let kept = "updated";
    const watched: RecordChange = (record) => {
      const changed = change(record);
      kept = changed === KEEP ? "unchanged" : "updated";
      return changed;
    };
    return this.#observe(
      "store update",
      () => this.#store.update(id, watched, options),
      (record) => record ? kept : record === null ? "deleted" : "miss",
    );
  }

  delete(id: string): Promise<boolean> {
    return this.#observe(
      "store delete",
      () => this.#store.delete(id),
      (isDeleted) => isDeleted ? "deleted" : "miss",
    );
  }

  has(id: string): Promise<boolean> {
    return this.#observe(
      "store has",
      () => this.#store.has(id),
      (isThere) => isThere ? "hit" : "miss",
    );
  }

  /** Is told when the listing has ended, or its caller has had enough. */
  async *entries(
    options?: EntriesOptions,
  ): AsyncGenerator<
    readonly [id: string, record: SessionRecord, lastAccess: number]
  > {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const told = this.#observe("store entries", () => promise, () => "listed");
    try {
      yield* this.#store.entries(options);
    } catch (error) {
      reject(error);
    } finally {
      resolve();
      await told;
    }
  }
}
