/*
 * Stores that are broken on purpose. Each must be caught by the exploration,
 * and the order that catches it must replay: a check that cannot fail shows
 * nothing.
 */
import { assert, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { ACCESS_AT, FLAG_AT, PUBLISHED } from "../../src/core/codec.ts";
import type { System } from "../../src/system/system.ts";
import type { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  ClockStore,
  ForgetfulStore,
  LateHeardStore,
  ListFirstStore,
  ListingOnlyStore,
  NotNewerStore,
  OnceHeardStore,
  SparingStore,
  StaleSealStore,
  TwoStepStore,
  UnlockedStore,
  UpsertingStore,
} from "./broken_stores.ts";
import { explore } from "./explore.ts";
import {
  type Play,
  SessionPerformance,
  type Stores,
  Violation,
} from "./play.ts";
import { Stage } from "./stage.ts";

interface Mutant {
  /** The mistake, and the software that had it, if any. */
  readonly title: string;
  /** Breaks the system calls. */
  readonly mutate?: (calls: System, actor: () => string) => void;
  /** The actors' stores, when it is not the system calls that are broken. */
  readonly Store?: typeof DirectorySessionStore;
  /** A play in which some order shows it. */
  readonly play: Play;
  /** A part of the violation's message. */
  readonly shown: string;
}

/** After each lock the name seems to lead to the open file. */
function dropCheck(calls: System): void {
  const { fstat, lstat, open } = calls;
  const seen = new Map<string, Deno.FileInfo>();
  const opened = new Map<Deno.FsFile, string>();
  calls.open = (path, options) => {
    const file = open(path, options);
    opened.set(file, path);
    return file;
  };
  calls.fstat = (file) => {
    const info = fstat(file);
    seen.set(opened.get(file)!, info);
    return info;
  };
  calls.lstat = (path) => seen.get(path) ?? lstat(path);
}

/** The clock seems to stand still from the opening of a file on. */
function readClockEarly(calls: System, actor: () => string): void {
  const { now, open } = calls;
  const early = new Map<string, number>();
  calls.open = (path, options) => {
    if (!options.createNew) early.set(actor(), now());
    return open(path, options);
  };
  calls.now = () => early.get(actor()) ?? now();
}

const MUTANTS: readonly Mutant[] = [
  {
    title: "a store that does not check the name after locking",
    mutate: dropCheck,
    play: { opening: "live", operations: ["update", "delete"] },
    shown: "no order of",
  },
  {
    title: "a store whose locks exclude no other process",
    mutate: (calls) => {
      calls.tryLock = () => true;
    },
    play: { opening: "live", operations: ["update", "update"] },
    shown: "no order of",
  },
  {
    title: "a file that is truncated before it is locked, as in session3",
    mutate: (calls) => {
      const { open } = calls;
      calls.open = (path, options) =>
        open(path, {
          ...options,
          truncate: options.write === true && options.createNew !== true,
        });
    },
    play: { opening: "live", operations: ["load", "save"] },
    shown: "set aside",
  },
  {
    title:
      "a file that is written in place under its lock, when its writer is killed",
    mutate: (calls) => {
      let rest: (() => void) | undefined;
      const { remove, unlock } = calls;
      calls.rename = (from, to) => {
        const bytes = Deno.readFileSync(from);
        const put = (bytes: Uint8Array) => {
          Deno.writeFileSync(to, bytes);
        };
        put(bytes.subarray(0, 60));
        rest = () => put(bytes);
        remove(from);
      };
      calls.unlock = (file) => {
        rest?.();
        rest = undefined;
        unlock(file);
      };
    },
    play: { opening: "live", operations: ["save"], kills: 1 },
    shown: "on the disk: no record",
  },
  {
    title:
      "a cleanup that checks the expiry only before it locks, as in mod_python",
    mutate: (calls, actor) => {
      const { read } = calls;
      const first = new Map<string, Uint8Array>();
      calls.read = (file, into) => {
        const length = read(file, into);
        // The cleaner reads the marker before it reads a session.
        if (into[0] !== "l".charCodeAt(0)) return length;
        const access = into.subarray(ACCESS_AT, ACCESS_AT + 16);
        const seen = first.get(actor()) ?? access.slice();
        first.set(actor(), seen);
        access.set(seen);
        return length;
      };
    },
    play: { opening: "unused", operations: ["cleanup", "save"] },
    shown: "no order of",
  },
  {
    title: "a commit that brings back a deleted session",
    Store: UpsertingStore,
    play: { opening: "live", operations: ["commit", "delete"] },
    shown: "no order of",
  },
  {
    title: "a rotation in two steps",
    Store: TwoStepStore,
    play: { opening: "live", operations: ["rotate", "read"] },
    shown: "no order of",
  },
  {
    title: "a rotation in two steps, killed between them",
    Store: TwoStepStore,
    play: { opening: "live", operations: ["rotate"], kills: 1 },
    shown: "no order of",
  },
  {
    title: "a new secret without a new seal",
    Store: StaleSealStore,
    play: { opening: "live", operations: ["rotate"], isSealed: true },
    shown: "sealed, and no cookie opens it",
  },
  {
    title: "a create that renames its file to a name that it found missing",
    mutate: (calls) => {
      calls.link = (from, to) => {
        Deno.renameSync(from, to);
        Deno.writeFileSync(from, new Uint8Array());
      };
    },
    play: { opening: "missing", operations: ["create", "create"] },
    shown: "no order of",
  },
  {
    title: "a touch under the shared lock that does not check the name",
    mutate: (calls) => {
      const { tryLock, lstat, fstat, open } = calls;
      const files = new Map<string, Deno.FsFile>();
      const markers = new Set<Deno.FsFile>();
      calls.open = (path, options) => {
        const file = open(path, options);
        if (path.endsWith("/.latchkey")) markers.add(file);
        else files.set(path, file);
        return file;
      };
      // A cleaner tries whether the marker's lock excludes.
      calls.tryLock = (file, exclusive) =>
        tryLock(file, exclusive && markers.has(file));
      calls.lstat = (path) => {
        const file = files.get(path);
        return file === undefined ? lstat(path) : fstat(file);
      };
    },
    play: { opening: "unused", operations: ["touch", "cleanup"] },
    shown: "no order of",
  },
  {
    title: "a touch under the shared lock",
    mutate: (calls) => {
      const { tryLock } = calls;
      calls.tryLock = (file) => tryLock(file, false);
    },
    play: { opening: "unused", operations: ["touch", "touch"], ticks: 1 },
    shown: "no order of",
  },
  {
    title: "a touch that does not check the name",
    mutate: dropCheck,
    play: { opening: "unused", operations: ["touch", "cleanup"] },
    shown: "no order of",
  },
  {
    title: "a touch whose clock is read before the lock",
    mutate: readClockEarly,
    play: { opening: "unused", operations: ["touch", "touch"], ticks: 1 },
    shown: "no order of",
  },
  {
    title: "a save whose clock is read before the lock",
    mutate: readClockEarly,
    play: { opening: "live", operations: ["save", "touch"], ticks: 1 },
    shown: "no order of",
  },
  {
    title: "an update whose clock is read before the lock, and which revives",
    mutate: readClockEarly,
    play: { opening: "ageing", operations: ["update", "load"], ticks: 1 },
    shown: "no order of",
  },
  {
    title: "a touch in two writes, killed between them",
    mutate: (calls) => {
      let rest: (() => void) | undefined;
      const { overwrite, unlock } = calls;
      calls.overwrite = (file, at, bytes) => {
        if (at !== ACCESS_AT) return overwrite(file, at, bytes);
        rest = () => void overwrite(file, at, bytes);
        return overwrite(file, at, new Uint8Array(bytes.length));
      };
      calls.unlock = (file) => {
        rest?.();
        rest = undefined;
        unlock(file);
      };
    },
    play: { opening: "unused", operations: ["touch"], kills: 1 },
    shown: "on the disk: no record",
  },
  {
    title: "a recycled file that is written over while its flag says published",
    mutate: (calls) => {
      const { write } = calls;
      calls.write = (file, bytes) => {
        const marked = bytes.slice();
        marked[FLAG_AT] = PUBLISHED;
        return write(file, marked);
      };
    },
    play: { opening: "live", operations: ["update twice", "load"], kills: 1 },
    shown: "no order of",
  },
  {
    title:
      "a recycled file that is written over while it is also the session's file",
    mutate: (calls) => {
      const { open, fstat } = calls;
      calls.open = (path, options) => {
        if (path.endsWith(ID)) {
          const directory = path.slice(0, -ID.length);
          const [recycled] = [...Deno.readDirSync(directory)]
            .filter(({ name }) => name.endsWith("a".repeat(32)));
          Deno.removeSync(path);
          Deno.linkSync(directory + recycled!.name, path);
        }
        return open(path, options);
      };
      calls.tryLock = () => true;
      calls.fstat = (file) => ({ ...fstat(file), nlink: 1 });
    },
    // A rename between two names of one file does nothing.
    play: { opening: "live", operations: ["update"], recycledFiles: true },
    shown: "left behind",
  },
  {
    title: "a commit that does not read the revocation",
    Store: OnceHeardStore,
    play: {
      opening: "signed in",
      operations: ["revoke", "commit"],
      isBlind: true,
    },
    shown: "no order of",
  },
  {
    title: "an open that does not read the revocation",
    Store: LateHeardStore,
    play: {
      opening: "signed in",
      operations: ["revoke", "read"],
      isBlind: true,
    },
    shown: "no order of",
  },
  {
    title: "a login that keeps no generation",
    Store: ForgetfulStore,
    // Within a second of a revocation elsewhere a login is refused.
    play: {
      opening: "not signed in",
      operations: ["revoke", "login"],
      ticks: 1,
    },
    shown: "no order of",
  },
  {
    title: "a revocation that also ends sessions of its own generation",
    Store: NotNewerStore,
    play: {
      opening: "signed in",
      operations: ["revoke", "sign up"],
      ticks: 1,
    },
    shown: "no order of",
  },
  {
    title: "a login whose generation is the time",
    Store: ClockStore,
    play: { opening: "signed in", operations: ["revoke", "sign up"] },
    shown: "no order of",
  },
  {
    title:
      "a revocation that lists the sessions before it is written, when it is killed between",
    Store: ListFirstStore,
    play: { opening: "in company", operations: ["revoke"], kills: 1 },
    shown: "no order of",
  },
  {
    title: "a revocation that is not written and relies on the listing",
    Store: ListingOnlyStore,
    play: {
      opening: "signed in",
      operations: ["revoke", "read"],
      isBlind: true,
    },
    shown: "no order of",
  },
  {
    title: "a revocation that spares a session that an earlier one ended",
    Store: SparingStore,
    play: {
      opening: "signed in",
      operations: ["revoke", "revoke all but it"],
      isBlind: true,
    },
    shown: "no order of",
  },
  {
    title: "an exclusive request whose lock is freed before its end",
    Store: UnlockedStore,
    play: { opening: "live", operations: ["exclusive", "exclusive"] },
    shown: "no order of",
  },
];

for (const { title, mutate, Store, play, shown } of MUTANTS) {
  Deno.test(`the exploration catches: ${title}`, async () => {
    using directory = new TemporaryDirectory();
    using stage = new Stage(directory.path, mutate);
    const stores: Stores = new Map();
    if (Store !== undefined) {
      for (const name of "ABC") {
        const options = { onWarning: () => {} };
        stores.set(name, new Store(directory.path, options));
      }
    }
    const begin = () => SessionPerformance.begin(stage, play, stores);
    const violation = await explore(begin).catch((error) => error);
    assertInstanceOf(violation, Violation);
    assertStringIncludes(violation.message, shown);

    const again = await begin();
    await again.replay(violation.order);
    let replayed: unknown;
    try {
      if (again.choices().length === 0) await again.check();
    } catch (error) {
      replayed = error;
    }
    assert(replayed instanceof Violation, "the order does not replay");
  });
}
