/*
 * How many sessions a second does a cleanup go through on a file system, and for how
 * long does it hold up the event loop at most?
 *
 * Half of the sessions have expired, half of those and of the others have a user.
 * What a process waits for a processor is taken off a pause (Linux tells it), since
 * two cores have other work; the longest of our system calls stands beside it, as a
 * pause that is one call is the file system's. `--directories` are mounted before,
 * such as:
 *
 *   truncate -s 2G /tmp/ext4.img && mkfs.ext4 -q /tmp/ext4.img
 *   mount -o loop /tmp/ext4.img /mnt/ext4          (discard: -o loop,discard)
 *
 *   --directories /tmp,/mnt/ext4   where the sessions are; a temporary one by default
 *   --sessions 20000               how many there are
 *   --rounds 3                     how many cleanups of each; the middle counts
 */
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { system } from "../../src/system/system.ts";
import { makeDataSet } from "../data_set.ts";
import {
  fileSystemOf,
  makeBase,
  readOptions,
  say,
  settle,
} from "../harness/benchmark.ts";
import { count, table } from "../harness/markdown.ts";
import { median } from "../harness/statistics.ts";
import { nameOf } from "../ids.ts";

/** One cleanup; times are in milliseconds. */
interface Round {
  /** Sessions per second. */
  readonly speed: number;
  readonly pause: number;
  readonly call: number;
  readonly callName: string;
}

const MINUTES = 30;
const DAY = 24 * 60 * 60 * 1000;
const SYNCHRONOUS = [
  "open",
  "tryLock",
  "unlock",
  "close",
  "read",
  "write",
  "rewind",
  "overwrite",
  "fstat",
  "lstat",
  "exists",
  "stat",
  "link",
  "rename",
  "remove",
] as const;

async function clean(directory: string, sessions: number): Promise<Round> {
  const store = new DirectorySessionStore(directory, { create: true });
  const { record: { user: _user, ...record } } = makeDataSet(500);
  const old = Date.now() - DAY;
  for (let n = 0; n < sessions; n++) {
    const user = n % 4 < 2 && { user: `customer-${n}@example.org` };
    const lastAccess = n % 2 === 0 ? old : Date.now();
    const one = { ...record, ...user, createdAt: old };
    await store.create(nameOf(n), one, { lastAccess });
  }
  await settle(directory);
  const { restore, longest } = timeCalls();
  const pauses = new Pauses();
  const start = performance.now();
  const { deleted } = await store.deleteOldSessions(MINUTES);
  const speed = 1_000 * sessions / (performance.now() - start);
  const pause = pauses.stop();
  restore();
  if (deleted !== sessions / 2) throw new Error(`Cannot clean: ${deleted}`);
  return { speed, pause, ...longest };
}

/** The longest time between two turns of the event loop. */
class Pauses {
  readonly #schedule = Deno.openSync("/proc/thread-self/schedstat");
  #before: number;
  #longest = 0;
  #isOver = false;

  constructor() {
    this.#before = this.#now();
    const turn = () => {
      if (this.#isOver) return;
      this.#note();
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  stop(): number {
    this.#note();
    this.#isOver = true;
    this.#schedule.close();
    return this.#longest;
  }

  #note(): void {
    const now = this.#now();
    this.#longest = Math.max(this.#longest, now - this.#before);
    this.#before = now;
  }

  /** In milliseconds, without the time spent waiting for a processor. */
  #now(): number {
    const now = performance.now();
    this.#schedule.seekSync(0, Deno.SeekMode.Start);
    const bytes = new Uint8Array(80);
    const length = this.#schedule.readSync(bytes)!;
    const text = new TextDecoder().decode(bytes.subarray(0, length));
    return now - Number(text.split(" ")[1]) / 1e6;
  }
}

/** Notes the longest of our system calls, until it is restored. */
function timeCalls() {
  const longest = { call: 0, callName: "" };
  const before = { ...system };
  for (const name of SYNCHRONOUS) {
    const call = system[name] as (...args: unknown[]) => unknown;
    const timed = (...args: unknown[]) => {
      const start = performance.now();
      try {
        return call(...args);
      } finally {
        const spent = performance.now() - start;
        if (spent > longest.call) {
          longest.call = spent;
          longest.callName = name;
        }
      }
    };
    Object.assign(system, { [name]: timed });
  }
  return { longest, restore: () => Object.assign(system, before) };
}

if (import.meta.main) {
  const { directories, sessions, rounds } = readOptions({
    directories: "",
    sessions: 20_000,
    rounds: 3,
  });
  const rows: string[][] = [];
  for (const directory of directories.split(",")) {
    const done: Round[] = [];
    await using base = await makeBase("cleanup", directory);
    for (let round = 0; round < rounds; round++) {
      done.push(await clean(`${base.path}/${round}`, sessions));
      say(`cleaned ${directory}, ${round + 1} of ${rounds}`);
    }
    const worst = done.toSorted((a, b) => b.pause - a.pause)[0]!;
    rows.push([
      await fileSystemOf(base.path),
      count(median(done.map(({ speed }) => speed))),
      worst.pause.toFixed(1),
      `${worst.callName} ${worst.call.toFixed(1)}`,
    ]);
  }
  console.log(table(
    ["", "sessions/s", "longest pause, ms", "longest call in that round, ms"],
    rows,
  ));
}
