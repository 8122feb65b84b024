/*
 * A process of its own, because the resident memory of one that has measured
 * other things says nothing: how much more does it get while it walks over a
 * whole directory?
 */
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { LoopDelay } from "../delay/loop_delay.ts";
import { answer, Child, denoCommand } from "../harness/child.ts";
import type { MemoryPoint } from "./chart.ts";

const MEBIBYTE = 1024 * 1024;
const LOOK_EVERY = 100;

type Act = MemoryPoint["act"];

/**
 * Lets a process walk over the directory of a store.
 *
 * @param files How many sessions there are.
 * @throws {Error} If it did not come across all of them.
 */
export async function measureMemory(
  directory: string,
  act: Act,
  files: number,
): Promise<MemoryPoint> {
  await using child = new Child(denoCommand(
    new URL(import.meta.url),
    [directory, act, String(files)],
    ["--allow-read", `--allow-write=${directory}`],
  ));
  return await child.next();
}

async function walk(
  directory: string,
  act: Act,
  files: number,
): Promise<MemoryPoint> {
  const store = new DirectorySessionStore(directory);
  await store.setup();
  const delay = await LoopDelay.start();
  const before = Deno.memoryUsage().rss;
  let most = before;
  const look = () => most = Math.max(most, Deno.memoryUsage().rss);
  let found = 0;
  if (act === "entries") {
    for await (const _entry of store.entries()) {
      if (++found % LOOK_EVERY === 0) look();
    }
  } else {
    const onProgress = look;
    found = (await store.deleteOldSessions(60, { onProgress })).remaining;
  }
  look();
  if (found !== files) {
    throw new Error(`Cannot measure: ${found} of ${files} sessions were found`);
  }
  return {
    act,
    files,
    before: before / MEBIBYTE,
    growth: (most - before) / MEBIBYTE,
    longestPause: delay.stop().max,
  };
}

if (import.meta.main) {
  const [directory, act, files] = Deno.args as [string, Act, string];
  answer(await walk(directory, act, Number(files)));
}
