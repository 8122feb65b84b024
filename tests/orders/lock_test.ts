/*
 * The lock of a session, in every order in which requests, a cleaner and a tool
 * that empties the directory can make their calls, also when one of them is
 * killed between two: one request is inside at a time, and a lock file is left
 * only by a killed one. If the file is removed under a request, another may be
 * inside with it; of the two, one commits.
 */
import { assert, assertRejects, assertStringIncludes } from "@std/assert";
import { encodeRecord } from "../../src/core/codec.ts";
import { SessionConflictError } from "../../src/core/errors.ts";
import type { HeldLock, LockOptions } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { isLockName, lockPath } from "../../src/directory/layout.ts";
import { removeDeadLock } from "../../src/directory/request_lock.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { removeIfThere } from "../../src/system/files.ts";
import { system } from "../../src/system/system.ts";
import { ID, recordOf, requestOf, SECRET, SECRET_HASH } from "../constants.ts";
import { EFFORT } from "../effort.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { exploreIn, type House } from "./all_orders.ts";
import { type Chances, explore, Performance } from "./explore.ts";
import { type Outcome, Stage, START } from "./stage.ts";

const NAMES = ["A", "B", "C"];
/** An actor that is to make this call has the lock. */
const INSIDE = "mark inside";

type Operation = "lock" | "request" | "clean" | "cleanup" | "wipe";

/** Breaks the system calls; see {@linkcode Stage}. */
type Mutate = NonNullable<ConstructorParameters<typeof Stage>[1]>;

/** What each actor does, and how many may be killed. */
interface Play extends Chances {
  readonly operations: readonly Operation[];
  /** Whether a killed process has left a lock file. */
  readonly isLeft?: boolean;
}

/** An order that breaks the rule. */
class Broken extends Error {}

/** One performance of a play. */
class LockPerformance extends Performance {
  readonly #play: Play;

  constructor(stage: Stage, play: Play) {
    super(stage, play);
    this.#play = play;
  }

  override async take(choice: string): Promise<void> {
    await super.take(choice);
    const inside = this.stage.actors.filter(({ isDead, outcome, pending }) =>
      !isDead && outcome === undefined && pending === INSIDE
    );
    if (inside.length > 1 && !this.#isWiped) this.fail("two are inside");
  }

  override check(): Promise<void> {
    const { actors, directory } = this.stage;
    const failed = actors.find(({ outcome }) =>
      outcome !== undefined && isFailed(outcome, this.#isWiped)
    );
    if (failed !== undefined) this.fail(`${failed.name} failed`);
    const deaths = actors.filter(({ isDead }) => isDead).length;
    const left = [...Deno.readDirSync(directory)]
      .filter(({ name }) => isLockName(name));
    // A cleaner may have come before, or while another had it.
    const most = deaths + (this.#play.isLeft ? 1 : 0);
    if (left.length > most) this.fail("a lock file is left behind");
    return Promise.resolve();
  }

  override fail(what: string): never {
    const { operations } = this.#play;
    throw new Broken(`${what}: ${operations}, ${this.order.join(" ")}`);
  }

  get #isWiped(): boolean {
    return this.#play.operations.includes("wipe");
  }
}

/** Requests that are to be kept apart add 1 to what they have read. */
class CountingPerformance extends LockPerformance {
  readonly #read: () => Promise<number>;

  constructor(stage: Stage, play: Play, read: () => Promise<number>) {
    super(stage, play);
    this.#read = read;
  }

  override async check(): Promise<void> {
    await super.check();
    const committed = this.stage.actors.filter(({ outcome }) =>
      outcome !== undefined && "value" in outcome && outcome.value === "request"
    );
    const dead = this.stage.actors.filter(({ isDead }) => isDead).length;
    const n = await this.#read();
    if (n < committed.length || n > committed.length + dead) {
      this.fail(`${committed.length} have committed, and it is ${n}`);
    }
  }
}

/** A request whose lock was lost may be refused. */
function isFailed(outcome: Outcome, isWiped: boolean): boolean {
  return "error" in outcome &&
    !(isWiped && outcome.error instanceof SessionConflictError);
}

/** The stage with its stores, ready. */
class LockHouse implements House<Play> {
  readonly stage: Stage;
  readonly #stores: DirectorySessionStore[] = [];
  readonly #directory = new TemporaryDirectory();
  readonly #Store: typeof DirectorySessionStore;

  constructor(
    mutate?: Mutate,
    Store: typeof DirectorySessionStore = DirectorySessionStore,
  ) {
    this.stage = new Stage(this.#directory.path, mutate);
    this.#Store = Store;
  }

  async open(): Promise<this> {
    for (const _name of NAMES) {
      const store = new this.#Store(this.stage.directory, {
        onWarning: () => {},
      });
      await store.setup();
      this.#stores.push(store);
    }
    return this;
  }

  [Symbol.dispose](): void {
    this.stage[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }

  async begin(play: Play): Promise<Performance> {
    const { stage } = this;
    const { directory } = stage;
    const { operations, isLeft = false } = play;
    stage.clear();
    const write = (path: string, bytes: Uint8Array) => {
      Deno.writeFileSync(path, bytes, { mode: 0o600 });
      Deno.utimeSync(path, new Date(START), new Date(START));
    };
    const record = recordOf({ n: 0 }, { secretHash: SECRET_HASH });
    write(`${directory}/.latchkey`, new Uint8Array());
    write(`${directory}/${ID}`, encodeRecord(ID, record));
    if (isLeft) write(lockPath(directory, ID), new Uint8Array());
    const performance = operations.includes("request")
      ? new CountingPerformance(stage, play, async () => {
        const [store] = this.#stores;
        return (await store!.load(ID))!.data.n as number;
      })
      : new LockPerformance(stage, play);
    for (const [i, operation] of operations.entries()) {
      const store = this.#stores[i]!;
      await stage.enter(NAMES[i]!, async () => {
        await this.#act(operation, store);
        return operation;
      });
    }
    return performance;
  }

  async #act(
    operation: Operation,
    store: DirectorySessionStore,
  ): Promise<void> {
    const { stage } = this;
    const path = lockPath(stage.directory, ID);
    switch (operation) {
      case "lock": {
        await using _held = await store.lock(ID);
        stage.mark("inside");
        break;
      }
      case "request":
        await addOne(store);
        break;
      case "clean":
        removeDeadLock(path, false);
        break;
      case "cleanup":
        await store.deleteOldSessions(30);
        break;
      case "wipe":
        removeIfThere(path);
    }
  }
}

async function addOne(store: DirectorySessionStore): Promise<void> {
  const sessions = new SessionManager<{ n: number }>({
    store,
    isolation: "exclusive",
    now: () => system.now(),
    touchAfter: Infinity,
  });
  await sessions.run(requestOf(ID + SECRET), (session) => {
    session.set("n", session.get("n")! + 1);
    return new Response();
  });
}

async function exploreAll(title: string, all: readonly Play[]): Promise<void> {
  using house = await new LockHouse().open();
  await exploreIn(house, title, all);
}

/** As it is, and after a process that was killed. */
function bothWays(play: Play): Play[] {
  return [play, { ...play, isLeft: true }];
}

Deno.test("in every order of requests and a cleaner that lock a session, one is inside at a time", () =>
  exploreAll("locks", [
    ...bothWays({ operations: ["lock", "lock"] }),
    ...bothWays({ operations: ["lock", "clean"] }),
    ...bothWays({ operations: ["lock", "lock", "clean"] }),
    ...bothWays({ operations: ["lock", "cleanup"] }),
  ]));

Deno.test("in every order of requests and a cleaner that lock a session, one of which is killed, one is inside at a time", () =>
  exploreAll("locks, killed", [
    ...bothWays({ operations: ["lock", "lock"], kills: 1 }),
    ...bothWays({ operations: ["lock", "clean"], kills: 1 }),
  ]));

if (EFFORT > 1) {
  Deno.test("in every order of three that lock a session, one is inside at a time", () =>
    exploreAll("three", [
      { operations: ["lock", "lock", "lock"] },
      { operations: ["lock", "lock", "clean"], kills: 1 },
    ]));
}

/**
 * Has a request make some calls, removes the lock file, has another one make
 * some, and then lets both end; every number of calls of the first.
 */
async function wipeAtEveryCall(
  house: LockHouse,
  callsOfOther: number,
): Promise<void> {
  const play: Play = { operations: ["request", "request", "wipe"] };
  const goOn = async (performance: Performance, name: string, most: number) => {
    const { stage } = performance;
    const actor = performance.find(name);
    let calls = 0;
    for (; calls < most && stage.canMove(actor); calls++) {
      await performance.take(name);
    }
    return calls;
  };
  for (let calls = 1, isEnded = false; !isEnded; calls++) {
    const performance = await house.begin(play);
    isEnded = await goOn(performance, "A", calls) < calls;
    await goOn(performance, "C", Infinity);
    await goOn(performance, "B", callsOfOther);
    while (performance.choices().length > 0) {
      await goOn(performance, "A", Infinity);
      await goOn(performance, "B", Infinity);
    }
    await performance.check();
  }
}

Deno.test("exclusive requests under which the lock file is removed do not commit one over another", async () => {
  using house = await new LockHouse().open();
  const times = EFFORT > 1
    ? Array.from({ length: 40 }, (_, calls) => calls)
    : [18, Infinity];
  for (const calls of times) await wipeAtEveryCall(house, calls);
});

/** Does not tell that a lock was lost. */
class UnawareStore extends DirectorySessionStore {
  override async lock(id: string, options?: LockOptions): Promise<HeldLock> {
    const held = await super.lock(id, options);
    return { [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
  }
}

Deno.test("the search notices a commit under a lock that was lost", async () => {
  using house = await new LockHouse(undefined, UnawareStore).open();
  const wipe = () => wipeAtEveryCall(house, Infinity);
  await assertRejects(wipe, Broken, "have committed");
});

/** Ways to break the rule, each with a play that shows it. */
const MUTANTS: Record<string, [Mutate, Play, string]> = {
  "a lock without a look": [
    (calls, actor) => {
      const { open, fstat, lstat } = calls;
      const opened = new Map<string, Deno.FsFile>();
      calls.open = (path, options) => {
        const file = open(path, options);
        opened.set(actor(), file);
        return file;
      };
      calls.lstat = (path) =>
        isLockName(path.split("/").at(-1)!)
          ? fstat(opened.get(actor())!)
          : lstat(path);
    },
    { operations: ["lock", "lock", "lock"] },
    "two are inside",
  ],
  "a lock file that is removed after it was unlocked": [
    (calls, actor) => {
      const { open, remove, unlock } = calls;
      const opened = new Map<string, [string, Deno.FsFile]>();
      calls.open = (path, options) => {
        const file = open(path, options);
        opened.set(actor(), [path, file]);
        return file;
      };
      calls.remove = () => unlock(opened.get(actor())![1]);
      calls.unlock = () => {
        try {
          remove(opened.get(actor())![0]);
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      };
    },
    { operations: ["lock", "lock", "lock"] },
    "two are inside",
  ],
  "a cleaner that removes without the lock": [
    (calls, actor) => {
      const { tryLock } = calls;
      calls.tryLock = (file, exclusive) =>
        actor() === "C" || tryLock(file, exclusive);
    },
    { operations: ["lock", "lock", "clean"] },
    "two are inside",
  ],
};

for (const [what, [mutate, play, shown]] of Object.entries(MUTANTS)) {
  Deno.test(`the exploration notices ${what}`, async () => {
    using house = await new LockHouse(mutate).open();
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
