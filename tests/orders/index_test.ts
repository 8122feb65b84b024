/*
 * The index of users, in every order in which actors can make their calls, also
 * when an actor is killed between two of them: in every state, each session of a
 * user has its entry. A listing of a user's sessions gives a session that was
 * the user's throughout, and does not give one that never was.
 */
import fc from "npm:fast-check@4.11.0";
import { assert, assertStringIncludes } from "@std/assert";
import { decodeRecord, encodeRecord, userTag } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import {
  bucketLockPath,
  bucketPath,
  entryPath,
} from "../../src/directory/layout.ts";
import type { System } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, recordOf } from "../constants.ts";
import { EFFORT } from "../effort.ts";
import { describeIndex } from "../index_state.ts";
import { type CallName, callStore, type StoreCall } from "../operations.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { exploreIn, type House, sampleIn } from "./all_orders.ts";
import { type Chances, explore, Performance } from "./explore.ts";
import { Stage, START } from "./stage.ts";

const NAMES = ["A", "B", "C"];

type Operation =
  | "login"
  | "login of Bob"
  | "logout"
  | "delete"
  | "save"
  | "save without a user"
  | "create"
  | "cleanup"
  | "list";

/** Whose session there is. */
type Opening = "no user's" | "Ann's" | "Bob's" | "Ann's, expired" | "missing";

/** What each actor does, what it finds, and how many may be killed. */
interface Play extends Chances {
  readonly opening: Opening;
  readonly operations: readonly Operation[];
  /** Whether Ann has a stale entry. */
  readonly isStale?: boolean;
  /** Whether there is no index yet. */
  readonly isNew?: boolean;
}

function sessionOf(user?: string, expiresAt = START + 1e9): SessionRecord {
  const lasting = { createdAt: START, expiresAt };
  return recordOf({}, { ...lasting, ...user !== undefined && { user } });
}

const OPENINGS: Readonly<Record<Opening, SessionRecord | undefined>> = {
  "no user's": sessionOf(),
  "Ann's": sessionOf("ann"),
  "Bob's": sessionOf("bob"),
  "Ann's, expired": sessionOf("ann", START),
  missing: undefined,
};

/** The calls, and their arguments. */
const OPERATIONS: Readonly<
  Record<Operation, readonly [CallName, Omit<StoreCall, "store">?]>
> = {
  login: ["update", { change: (record) => ({ ...record, user: "ann" }) }],
  "login of Bob": ["update", {
    change: (record) => ({ ...record, user: "bob" }),
  }],
  logout: ["update", { change: ({ user: _user, ...rest }) => rest }],
  delete: ["delete"],
  save: ["save", { record: sessionOf("ann") }],
  "save without a user": ["save", { record: sessionOf() }],
  create: ["create", { record: sessionOf("ann") }],
  cleanup: ["cleanup", { minutes: 30 }],
  list: ["entries of a user"],
};

const ALL = Object.keys(OPERATIONS) as Operation[];

/** An order that breaks the rule. */
class Broken extends Error {}

/** The state of a listing that has begun. */
interface Listing {
  always: boolean;
  ever: boolean;
}

/** One performance of a play. */
class IndexPerformance extends Performance {
  readonly #play: Play;
  readonly #store: DirectorySessionStore;
  #listings = new Map<string, Listing>();

  private constructor(
    stage: Stage,
    play: Play,
    store: DirectorySessionStore,
  ) {
    super(stage, play);
    this.#play = play;
    this.#store = store;
  }

  static async begin(
    stage: Stage,
    play: Play,
    stores: readonly DirectorySessionStore[],
  ): Promise<IndexPerformance> {
    stage.clear();
    const performance = new IndexPerformance(stage, play, stores[0]!);
    layOut(stage.directory, play);
    for (const [i, operation] of play.operations.entries()) {
      const [name, more] = OPERATIONS[operation];
      const call = { ...more, store: stores[i]! };
      await stage.enter(NAMES[i]!, () => callStore(name, call));
    }
    return performance;
  }

  /** Lets the next thing happen, and checks the state after it. */
  override async take(choice: string): Promise<void> {
    if (this.#isListing(choice) && !this.#listings.has(choice)) {
      const isAnns = this.#isAnns();
      this.#listings.set(choice, { always: isAnns, ever: isAnns });
    }
    await super.take(choice);
    this.#check();
  }

  override save(): (to: Performance) => void {
    const listings = structuredClone(this.#listings);
    return (to) => {
      (to as IndexPerformance).#listings = structuredClone(listings);
    };
  }

  override describe(): string {
    const listings = JSON.stringify([...this.#listings]);
    return `${this.stage.describe()}\n${listings}`;
  }

  override async check(): Promise<void> {
    await this.#store.deleteOldSessions(30);
    const { missing, stale } = describeIndex(this.stage.directory);
    if (missing.length + stale.length > 0) {
      this.fail("wrong entries after a cleanup");
    }
  }

  override fail(what: string): never {
    const { opening, operations } = this.#play;
    throw new Broken(
      `${what}: ${operations} of one that is ${opening}, ${
        this.order.join(" ")
      }`,
    );
  }

  #isListing(name: string): boolean {
    return this.#play.operations[NAMES.indexOf(name)] === "list";
  }

  #isAnns(): boolean {
    try {
      const bytes = Deno.readFileSync(`${this.stage.directory}/${ID}`);
      const record = decodeRecord(ID, bytes);
      return typeof record === "object" && record.user === "ann" &&
        record.expiresAt! > START;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  #check(): void {
    const { missing } = describeIndex(this.stage.directory);
    if (missing.length > 0) this.fail(`no entry ${missing}`);
    const isAnns = this.#isAnns();
    for (const [name, listing] of this.#listings) {
      const { outcome } = this.find(name);
      listing.always &&= isAnns;
      listing.ever ||= isAnns;
      if (outcome === undefined) continue;
      this.#listings.delete(name);
      if ("error" in outcome) this.fail(`${outcome.error}`);
      const isFound = (outcome.value as unknown[]).length > 0;
      if (listing.always && !isFound) this.fail("not found");
      if (!listing.ever && isFound) this.fail("found, and never was");
    }
    for (const { outcome } of this.stage.actors) {
      if (outcome !== undefined && "error" in outcome) {
        this.fail(`${outcome.error}`);
      }
    }
  }
}

function layOut(
  directory: string,
  { opening, isStale = false, isNew = false }: Play,
): void {
  const write = (path: string, bytes: Uint8Array) => {
    Deno.writeFileSync(path, bytes, { mode: 0o600 });
  };
  write(`${directory}/.latchkey`, new Uint8Array());
  const record = OPENINGS[opening];
  if (record !== undefined) {
    write(`${directory}/${ID}`, encodeRecord(ID, record, START));
  }
  if (isNew) return;
  for (const user of ["ann", "bob"]) {
    const tag = userTag(user);
    const lock = bucketLockPath(directory, tag);
    Deno.mkdirSync(bucketPath(directory, tag), { recursive: true });
    write(lock, new Uint8Array());
    if (record?.user !== user && !(isStale && user === "ann")) continue;
    Deno.linkSync(lock, entryPath(directory, { tag, id: ID }));
  }
}

/** The stage with its stores, ready. */
class IndexHouse implements House<Play> {
  readonly stage: Stage;
  readonly stores: DirectorySessionStore[] = [];
  readonly #directory = new TemporaryDirectory();

  constructor(mutate?: (calls: System) => void) {
    this.stage = new Stage(this.#directory.path, mutate);
  }

  async open(): Promise<this> {
    for (const _name of NAMES) {
      const store = new DirectorySessionStore(this.stage.directory);
      await store.setup();
      this.stores.push(store);
    }
    return this;
  }

  [Symbol.dispose](): void {
    this.stage[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }

  begin(play: Play): Promise<IndexPerformance> {
    return IndexPerformance.begin(this.stage, play, this.stores);
  }
}

/** Each pair of operations, once. */
function pairs(): [Operation, Operation][] {
  return ALL.flatMap((one, i) =>
    ALL.slice(i).map((other): [Operation, Operation] => [one, other])
  );
}

/** Pairs of operations that could break the rule. */
const MEETINGS: readonly Play[] = [
  { opening: "no user's", operations: ["login", "login"], isNew: true },
  { opening: "no user's", operations: ["login", "logout"] },
  { opening: "no user's", operations: ["login", "list"] },
  { opening: "no user's", operations: ["login", "cleanup"], isStale: true },
  { opening: "missing", operations: ["create", "save"] },
  { opening: "missing", operations: ["create", "cleanup"], isStale: true },
  { opening: "Ann's", operations: ["delete", "save"] },
  { opening: "Ann's", operations: ["delete", "create"] },
  { opening: "Ann's", operations: ["logout", "save"] },
  { opening: "Ann's", operations: ["login", "list"] },
  { opening: "Ann's, expired", operations: ["create", "cleanup"] },
];

async function exploreAll(title: string, all: readonly Play[]) {
  using house = await new IndexHouse().open();
  await exploreIn(house, title, all);
}

Deno.test("every order of a change that adds an entry and one that removes it keeps the entry of a session that has a user", () =>
  exploreAll("in order", MEETINGS));

Deno.test("every order of a change that adds an entry and one that removes it, one of which is killed, keeps the entry of a session that has a user", () =>
  exploreAll(
    "killed",
    MEETINGS.filter(({ operations, isStale }) =>
      EFFORT > 1 || (isStale && operations.includes("cleanup"))
    ).map((play) => ({ ...play, kills: 1 })),
  ));

if (EFFORT > 1) {
  Deno.test("every order of every two changes keeps the entry of a session that has a user", () =>
    exploreAll(
      "all",
      (Object.keys(OPENINGS) as Opening[]).flatMap((opening) =>
        pairs().map((operations) => ({ opening, operations }))
      ),
    ));
}

Deno.test("orders of three changes keep the entry of a session that has a user, also when one of them is killed", async () => {
  using house = await new IndexHouse().open();
  const plays = fc.record({
    opening: fc.constantFrom(...Object.keys(OPENINGS) as Opening[]),
    operations: fc.array(fc.constantFrom(...ALL), {
      minLength: NAMES.length,
      maxLength: NAMES.length,
    }),
    isStale: fc.boolean(),
    kills: fc.nat(1),
  });
  await sampleIn(house, "three changes", 1_000, plays);
});

/** From an entry to its session. */
const GOES_LAST = /\/\.users\/.*-/;

/** Ways to break the rule, each with a play that shows it. */
const MUTANTS: Record<string, [(calls: System) => void, Play, string]> = {
  "no lock of the entries": [
    (calls) => {
      const { open, tryLock } = calls;
      const locks = new Set<unknown>();
      calls.open = (path, options) => {
        const file = open(path, options);
        if (path.endsWith("/.lock")) locks.add(file);
        return file;
      };
      calls.tryLock = (file, exclusive) =>
        locks.has(file) || tryLock(file, exclusive);
    },
    { opening: "missing", operations: ["create", "cleanup"], isStale: true },
    "no entry",
  ],
  "an entry that is added after its record is written": [
    (calls) => {
      const { link, rename } = calls;
      let late: (() => void) | undefined;
      calls.link = (from, to) => {
        if (to.includes("/.users/")) late = () => link(from, to);
        else link(from, to);
      };
      calls.rename = (from, to) => {
        rename(from, to);
        late?.();
        late = undefined;
      };
      const { unlock } = calls;
      calls.unlock = (file) => {
        late?.();
        unlock(file);
      };
    },
    { opening: "missing", operations: ["create"] },
    "no entry",
  ],
  "an entry that is removed before its record": [
    (calls) => {
      const { remove } = calls;
      calls.remove = (path) => {
        if (path.endsWith(ID) && !path.includes("/.users/")) {
          const directory = path.slice(0, -ID.length - 1);
          remove(entryPath(directory, { tag: userTag("ann"), id: ID }));
          return;
        }
        if (path.includes("/.users/")) path = path.replace(GOES_LAST, "/");
        remove(path);
      };
    },
    { opening: "Ann's", operations: ["delete"], kills: 1 },
    "no entry",
  ],
};

for (const [what, [mutate, play, shown]] of Object.entries(MUTANTS)) {
  Deno.test(`the exploration notices ${what}`, async () => {
    using house = await new IndexHouse(mutate).open();
    let found: unknown;
    try {
      await explore(() => house.begin(play));
    } catch (error) {
      found = error;
    }
    assert(found instanceof Broken, `${found}`);
    assertStringIncludes(found.message, shown);
  });
}
