/**
 * The contract of a store (`src/core/store.ts`) as tests, one title for each of
 * its promises. A store's own test calls {@linkcode testContract} with a
 * way to open one, and adds what only that store promises.
 *
 * @module
 */

import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { testCleanup } from "./contract_cleanup.ts";
import { testFormat } from "./contract_format.ts";
import { testIds } from "./contract_ids.ts";
import { testLock } from "./contract_lock.ts";
import { testReading } from "./contract_reading.ts";
import { testRecords } from "./contract_records.ts";
import { testUsers } from "./contract_users.ts";
import { testWriting } from "./contract_writing.ts";

/** What is stored in the place of a record: garbage, or one of a later format. */
export type Spoiled = "garbage" | "newer";

/** A record of a later format, as an engine has it. */
export const NEWER_JSON = '{"format":2,"cells":[1]}';

/** A store for one test, empty, and access to its medium. */
export interface Harness extends AsyncDisposable {
  /** The store. */
  readonly store: SessionStore;

  /**
   * Sets a session's last access to `ms` before the store's present; its
   * record stays.
   */
  age(id: string, ms: number): Promise<void>;

  /** Stops the store's clock, if that is one of this process. */
  readonly stopClock?: (now: number) => Disposable;

  /** Stores something that is not a record under an ID, if the medium can. */
  readonly spoil?: (id: string, as?: Spoiled) => Promise<void>;

  /** Copies the stored record of one ID to another ID, if the medium can. */
  readonly misplace?: (from: string, to: string) => Promise<void>;

  /** Lets every call on the medium fail with this error, until disposed. */
  readonly breakDown?: (error: Error) => Disposable;
}

/** How the contract is tested. */
export interface ContractOptions {
  /**
   * The longest string that the medium takes, in characters.
   *
   * @default {1048576}
   */
  readonly longestString?: number | undefined;
  /**
   * Whether `entries` reads some sessions ahead of those it gives.
   *
   * @default {false}
   */
  readonly readsAhead?: boolean | undefined;
  /**
   * Whether a cleanup counts everything that remains, also if it is not a record.
   *
   * @default {false}
   */
  readonly countsAll?: boolean | undefined;
  /**
   * Declares a test, where no `Deno.test` is.
   *
   * @default {Deno.test}
   */
  readonly test?: DeclareTest | undefined;
}

/** As `Deno.test`. */
export type DeclareTest = (
  title: string,
  test: (t: Pick<Deno.TestContext, "step">) => Promise<void>,
) => void;

/** Declares one test of the contract: what the store does, and how to see it. */
export type Declare = (
  title: string,
  test: (
    harness: Harness,
    t: Pick<Deno.TestContext, "step">,
  ) => Promise<void>,
) => void;

/**
 * Declares the tests of the contract for one store.
 *
 * @param name The store's, at the start of every title.
 * @param open Opens an empty one.
 */
export function testContract(
  name: string,
  open: () => Promise<Harness>,
  options: ContractOptions = {},
): void {
  const declareTest: DeclareTest = options.test ?? Deno.test;
  const declare: Declare = (title, test) => {
    declareTest(`${name}: ${title}`, async (t) => {
      await using harness = await open();
      await test(harness, t);
    });
  };
  testIds(declare, options.countsAll ?? false);
  testReading(declare, options.readsAhead ?? false);
  testUsers(declare);
  testWriting(declare);
  testRecords(declare, options.longestString ?? 1024 * 1024);
  testFormat(declare);
  testCleanup(declare);
  testLock(declare);
}

/** Returns the last access that a store reports, and marks no access. */
export async function lastAccessOf(
  store: SessionStore,
  id: string,
): Promise<number | undefined> {
  let seen: number | undefined;
  await store.load(id, {
    touch: (_record, lastAccess) => {
      seen = lastAccess;
      return false;
    },
  });
  return seen;
}

/** Returns the entries of a store by ID. */
export async function entriesOf(
  store: SessionStore,
): Promise<Record<string, SessionRecord>> {
  const entries: Record<string, SessionRecord> = {};
  for await (const [id, record] of store.entries()) entries[id] = record;
  return entries;
}

/** Runs a part of a test that some harnesses do not support. */
export async function runIf<T>(
  t: Pick<Deno.TestContext, "step">,
  means: T | undefined,
  name: string,
  test: (means: T) => Promise<void>,
): Promise<void> {
  await t.step({
    name,
    ignore: means === undefined,
    fn: () => test(means!),
  });
}
