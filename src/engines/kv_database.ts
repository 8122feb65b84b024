/** A key of `Deno.Kv`, as far as a store makes one. */
export type KvKey = readonly string[];

/** What is found under a key. */
export interface KvEntry {
  /** The key, part by part. */
  readonly key: readonly unknown[];
  /** What it holds; `null` when there is none. */
  readonly value: unknown;
  /** `null` when there is none. */
  readonly versionstamp: string | null;
}

/** What of `Deno.AtomicOperation` a store uses. */
export interface KvAtomicOperation {
  /** Lets it fail unless a key is as it was. */
  check(
    ...checks: { key: KvKey; versionstamp: string | null }[]
  ): KvAtomicOperation;
  /** Sets a key. */
  set(
    key: KvKey,
    value: unknown,
    options?: { expireIn?: number },
  ): KvAtomicOperation;
  /** Deletes a key. */
  delete(key: KvKey): KvAtomicOperation;
  /** Does all of it, or nothing. */
  commit(): Promise<{ ok: boolean }>;
}

/** What of `Deno.Kv` a store uses. */
export interface KvDatabase {
  /** Reads keys, at one instant. */
  getMany(keys: KvKey[]): Promise<KvEntry[]>;
  /** Streams what is under the keys that begin so, from one on. */
  list(
    selector: { prefix: KvKey; start?: KvKey },
    options?: { limit?: number },
  ): AsyncIterable<KvEntry>;
  /** Begins to change several keys at one instant. */
  atomic(): KvAtomicOperation;
}
