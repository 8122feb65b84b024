/*
 * A process of its own, because the resident memory of one that has measured
 * other things says nothing: how much more does it get while it walks over a
 * whole directory?
 */
import { fromFileUrl } from "@std/path/from-file-url";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { LoopDelay } from "../delay/loop_delay.ts";
import type { MemoryPoint } from "./chart.ts";

const MEBIBYTE = 1024 * 1024;
const LOOK_EVERY = 100;

type Act = MemoryPoint["act"];
type Walk = Omit<MemoryPoint, "act" | "files">;

/**
 * Lets a process walk over a directory.
 *
 * @param directory The directory of a store.
 * @param act What walks.
 * @param files How many sessions there are.
 * @throws If it did not come across all of them.
 */
export async function measureMemory(
  directory: string,
  act: Act,
  files: number,
): Promise<MemoryPoint> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-read",
      `--allow-write=${directory}`,
      fromFileUrl(import.meta.url),
      directory,
      act,
      String(files),
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure the memory of ${act}`);
  const walk = JSON.parse(new TextDecoder().decode(stdout)) as Walk;
  return { act, files, ...walk };
}

async function walk(directory: string, act: Act, files: number): Promise<Walk> {
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
    before: before / MEBIBYTE,
    growth: (most - before) / MEBIBYTE,
    longestPause: delay.stop().max,
  };
}

if (import.meta.main) {
  const [directory, act, files] = Deno.args as [string, Act, string];
  console.log(JSON.stringify(await walk(directory, act, Number(files))));
}
