/** Several processes that hammer one session make a fair number of updates each. */

import { assert, assertEquals } from "@std/assert";
import { EFFORT } from "../effort.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { startHammer } from "./hammer.ts";

const HAMMERS = 8;
const COMMON = "common-session-0";
const SECONDS = Math.min(6 * EFFORT, 10);
/**
 * On a busy machine a few processes may be lucky for seconds: what all rounds
 * together say becomes fair, if the lock is.
 */
const MOST_ROUNDS = 5;

/** The least number of updates, as a part of the greatest. */
function ratioOf(counts: readonly number[]): number {
  return Math.min(...counts) / Math.max(...counts);
}

Deno.test("of 8 processes that hammer a session, the slowest gets half of the fastest", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const owns = Array.from({ length: HAMMERS }, (_, n) => `own-session-of-${n}`);
  for (const id of [COMMON, ...owns]) {
    await store.save(id, { data: { n: 0 }, createdAt: 1 });
  }
  await using stack = new AsyncDisposableStack();
  const hammers = await Promise.all(owns.map(async (own) => {
    const duration = 2_000 * SECONDS;
    const task = { directory: directory.path, common: COMMON, own, duration };
    return stack.use(await startHammer(task));
  }));
  const commons: number[] = Array(HAMMERS).fill(0);
  const ofTheirOwn: number[] = Array(HAMMERS).fill(0);
  let isFair = false;
  for (let round = 1; round <= MOST_ROUNDS && !isFair; round++) {
    const reports = await Promise.all(hammers.map((hammer) => hammer.run()));
    for (const [at, report] of reports.entries()) {
      commons[at]! += report.common;
      ofTheirOwn[at]! += report.own;
    }
    const total = commons.reduce((sum, common) => sum + common);
    const { n } = (await store.load(COMMON))!.data;
    assertEquals(n, total, "an update was lost");

    const common = ratioOf(commons);
    // The updates of sessions of their own show how fair the machine is.
    const own = ratioOf(ofTheirOwn);
    isFair = common >= Math.min(0.5, own);
    const longest = Math.max(...reports.map(({ longest }) => longest));
    console.log(
      `${HAMMERS} processes, ${total} updates in ${
        round * SECONDS
      } s: the slowest got ${common.toFixed(2)} of the fastest (${
        own.toFixed(2)
      } with sessions of their own); one took ${longest.toFixed(0)} ms at most`,
    );
  }
  assert(isFair, `${commons}`);
});
