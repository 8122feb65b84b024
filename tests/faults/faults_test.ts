/**
 * A fault at every step: each system call of each operation fails, with each
 * error that it may fail with, in each way that it can.
 *
 * The operation throws the very error that the call threw; if a second call
 * fails while the operation cleans up, the error of the first. Exceptions: a directory
 * that is refused, at start or by a cleaner, gives another error, with the
 * system's error as its cause. And what is not needed for the answer goes to `onWarning`: an
 * unreadable file that cannot be set aside is still a missing session, a session
 * that cannot be touched is still loaded. A cleaner for whose rename the disk is
 * full removes the file in place.
 *
 * Nothing has changed, unless the call that changes it had taken effect: the
 * `link`, `rename` or `remove` of a session's name, or the touch. Then the record
 * is the new one, and a call that fails after that (to remove the temporary name,
 * to unlock, in the index) goes to `onWarning`: only the sync of the directory is
 * an error, which says that the change is made.
 */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  equal,
} from "@std/assert";
import {
  SessionDirectoryError,
  SessionStoreError,
  SessionUnreadableError,
} from "../../src/core/errors.ts";
import type { Durability } from "../../src/core/store.ts";
import { recycledFiles } from "../../src/directory/atomic_file.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { isFull } from "../../src/system/files.ts";
import { replaceSystem } from "../replaced_system.ts";
import { takeShare } from "../share.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { goOn } from "./aftermath.ts";
import {
  describeDirectory,
  type DirectoryState,
  findTorn,
  layOut,
} from "./directory_state.ts";
import { describeIndex } from "../index_state.ts";
import { type Fault, FaultySystem, type Manner } from "./faulty_system.ts";
import {
  isForPower,
  isSetup,
  openStore,
  type Scene,
  SCENES,
  takeOverRecycled,
} from "./scenes.ts";
import { ERROR_NAMES, type ErrorName, makeError } from "./system_errors.ts";

/** A directory in which a scene is played many times. */
class Playground implements Disposable {
  readonly scene: Scene;
  readonly durability: Durability;
  readonly directory: string;
  /** The warnings since the last play began. */
  readonly warnings: StoreWarning[] = [];
  readonly #place = new TemporaryDirectory();
  #store: DirectorySessionStore | undefined;

  constructor(scene: Scene, durability: Durability) {
    this.scene = scene;
    this.durability = durability;
    this.directory = this.#place.join("sessions");
    Deno.mkdirSync(this.directory, { mode: 0o700 });
  }

  [Symbol.dispose](): void {
    this.#place[Symbol.dispose]();
  }

  /** Lays the scene out, and returns a store without warnings. */
  async begin(): Promise<DirectorySessionStore> {
    const { scene, directory, durability, warnings } = this;
    if (warnings.length > 0 || isSetup(scene)) this.#store = undefined;
    warnings.length = 0;
    if (this.#store === undefined) {
      this.#store = openStore(directory, scene, {
        durability,
        onWarning: (warning) => warnings.push(warning),
      });
      if (!isSetup(scene)) await this.#store.setup();
      else if (!scene.isWithoutDirectory) await markDirectory(directory);
    }
    layOut(directory, scene);
    takeOverRecycled(directory, scene);
    return this.#store;
  }
}

/** Makes a directory look as after an earlier setup. */
async function markDirectory(directory: string): Promise<void> {
  await new DirectorySessionStore(directory).setup();
}

/** Plays a scene with a fault, unless it ends before; returns the faulty system. */
async function play(ground: Playground, fault: Fault): Promise<FaultySystem> {
  const { scene, directory, warnings } = ground;
  const store = await ground.begin();
  const before = describeDirectory(directory, scene).files;
  const outcome = await runFaulty(ground, store, fault);
  const { faulty } = outcome;

  const { files, temporaries, locks } = describeDirectory(directory, scene);
  const { missing, stale } = describeIndex(directory);
  if (!scene.isWithoutIndex) assertEquals(missing, []);
  if (faulty.thrown.length === 0) {
    assertEquals(outcome.answer, scene.answer);
    assertEquals(files, scene.after);
    assertEquals([...missing, ...stale, ...locks], []);
  } else {
    assertThrown(scene, outcome, warnings);
    assertNothingAfter(scene, outcome);
    if (!faulty.isChanged) {
      assertEquals(withoutOrphans(files), withoutOrphans(before));
    } else if (!hasSeveral(scene)) assertChanged(scene, files);
    const hasThrown = outcome.error !== undefined;
    assertEquals(findTorn(scene, before, files, hasThrown), []);
  }
  if (!mayLeave(faulty.failed, fault)) assertEquals(temporaries, []);
  // The recycled file stays open; it is not a session.
  faulty.open.delete(recycledFiles.get(directory)?.file);
  assertEquals(faulty.open.size, 0, "a file was left open");
  // The files that setup locks have names that no other process knows.
  if (!isSetup(scene)) assertEquals(faulty.closedLocked, [], "not unlocked");
  await goOn(store, directory, fault.step);
  assertEquals(describeDirectory(directory, scene).locks, []);
  return faulty;
}

/** A cleanup may collect orphans first: the order of a listing is not fixed. */
function withoutOrphans(
  files: DirectoryState["files"],
): DirectoryState["files"] {
  return Object.fromEntries(
    Object.entries(files).filter(([name]) => !name.startsWith(".tmp-")),
  );
}

/** Whether a scene changes one session after the other. */
function hasSeveral({ files }: Scene): boolean {
  return Object.keys(files).length > 1;
}

/** Checks that a change that took effect is complete. */
function assertChanged(
  { after, between }: Scene,
  files: DirectoryState["files"],
): void {
  if (between === undefined) assertEquals(files, after);
  else assert(equal(files, between) || equal(files, after));
}

/** How a scene ended. */
interface Outcome {
  readonly faulty: FaultySystem;
  readonly answer?: unknown;
  readonly error?: unknown;
}

async function runFaulty(
  { scene, directory }: Playground,
  store: DirectorySessionStore,
  fault: Fault,
): Promise<Outcome> {
  const recycled = recycledFiles.get(directory);
  using faulty = new FaultySystem(fault, recycled && [recycled.file]);
  try {
    return { faulty, answer: await scene.run(store) };
  } catch (error) {
    return { faulty, error };
  }
}

/** Checks that the first error reached the caller; see the top of this file. */
function assertThrown(
  scene: Scene,
  { faulty, answer, error: heard }: Outcome,
  warnings: readonly StoreWarning[],
): void {
  const [first] = faulty.thrown;
  // A revocation that is written says so, whatever fails after it.
  const isShut = heard instanceof Error &&
    heard.message.includes("all of which are shut already");
  const error = isShut ? heard.cause : heard;
  const isTold = warnings.some(({ error }) => error === first);
  if (error instanceof SessionDirectoryError) {
    // What every visitor would meet is explained, at start and by a cleaner.
    assertStrictEquals(error.cause, first);
  } else if (error instanceof SessionUnreadableError) {
    assert(isTold, "what is wrong with the revocation was swallowed");
  } else if (error instanceof SessionStoreError) {
    const { cause } = error.cause as Error;
    if (isTold) assert(faulty.thrown.includes(cause as Error));
    else assertStrictEquals(cause, first);
  } else if (error === undefined) {
    // A cleaner that finds no room for another name removes the file in place.
    const isDoneInPlace = / to temporary$/.test(faulty.failed) && isFull(first);
    assert(isTold || isDoneInPlace, "the error was swallowed");
    assertEquals(answer, scene.answer);
  } else if (isTold) {
    // The operation continued with the next file, and failed there too.
    assert(faulty.thrown.includes(error as Error));
  } else {
    assertStrictEquals(error, first);
  }
}

/** Checks that after a change only the sync of the directory throws. */
function assertNothingAfter(
  scene: Scene,
  { faulty, error }: Outcome,
): void {
  // The marker's temporary name is not removed after a change of a session.
  const isOneChange = !isSetup(scene) && scene.between === undefined &&
    !hasSeveral(scene);
  if (!isOneChange || !faulty.wasChanged || error === undefined) return;
  assertInstanceOf(error, SessionStoreError);
  assertStringIncludes(error.message, "the change is made");
}

/** Whether a file may remain, which the process cannot remove or does not know. */
function mayLeave(failed: string, { manner }: Fault): boolean {
  return manner === "from then on" ||
    (manner === "afterwards" && failed === "open temporary");
}

/** The title of each manner, and the errors that it can have. */
const MANNERS: Readonly<Record<Manner, [string, readonly ErrorName[]]>> = {
  "instead": ["any call that fails", ERROR_NAMES],
  "afterwards": [
    "any call that takes effect and reports an error",
    ["ENOSPC", "EIO", "EDQUOT", "EINTR"],
  ],
  "from then on": [
    "a medium that fails from any call on",
    ["EIO", "EACCES", "EROFS"],
  ],
};

/** A step that no scene reaches. */
const NEVER = 1_000_000;

/** Plays a scene with each error at each of its steps; returns how many. */
async function failAtEveryStep(
  ground: Playground,
  manner: Manner,
  names: readonly ErrorName[],
): Promise<number> {
  const fail = async (name: ErrorName, step: number) => {
    try {
      const fault = { step, manner, makeError: () => makeError(name) };
      return await play(ground, fault);
    } catch (error) {
      const where = `${name} ${manner}, call ${step} of ${ground.scene.title}`;
      throw new Error(`${where}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  };
  const { steps } = await fail(names[0]!, NEVER);
  // All errors of a step, then the next step, so that a share has faults of every step.
  const faults = takeShare(
    Array.from({ length: steps }, (_, at) => at + 1)
      .flatMap((step) => names.map((name) => ({ name, step }))),
  );
  let injected = 0;
  for (const { name, step } of faults) {
    const { thrown } = await fail(name, step);
    if (thrown.length > 0) injected++;
    // A call that fails without a fault has no effect, after which it could fail.
    else assert(manner === "afterwards", `${ground.scene.title}: ${step}`);
  }
  return injected;
}

for (const [key, [what, names]] of Object.entries(MANNERS)) {
  const manner = key as Manner;
  const left = manner === "from then on"
    ? "and leaves the old or the new record"
    : "and leaves the old or the new record and no temporary file";
  Deno.test(`${what} is the caller's error ${left}, no open file and no lock`, async () => {
    // power_calls_test.ts tests a real one.
    using _noSync = replaceSystem({ sync: () => {} });
    let faults = 0;
    for (const scene of SCENES) {
      for (const durability of ["process", "power"] as const) {
        if (durability === "power" && !isForPower(scene)) continue;
        using ground = new Playground(scene, durability);
        faults += await failAtEveryStep(ground, manner, names);
      }
    }
    console.log(`${manner}: ${faults} faults injected`);
  });
}
