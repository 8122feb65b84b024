import { temporaryBirth } from "../../src/directory/layout.ts";
import { runSync, spawn } from "../spawn.ts";

const TRACED = [
  "open",
  "openat",
  "openat2",
  "write",
  "pwrite64",
  "writev",
  "ftruncate",
  "truncate",
  "flock",
  "fsync",
  "fdatasync",
  "sync",
  "syncfs",
  "sync_file_range",
  "rename",
  "renameat",
  "renameat2",
  "link",
  "linkat",
  "unlink",
  "unlinkat",
];

/** Why this machine cannot trace; `undefined` when it can. */
export function findObstacle(): string | undefined {
  try {
    const args = ["-o", "/dev/null", Deno.execPath(), "--version"];
    const { code, stderr } = runSync("strace", args);
    return code === 0 ? undefined : stderr.trim();
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotCapable;
    if (!isMissing) throw error;
    return "there is no strace";
  }
}

/**
 * Runs a module under strace.
 *
 * @param path The only directory that it may touch; strace writes there too.
 * @returns Its system calls that have to do with files, as strace writes them.
 */
export async function trace(
  path: string,
  module: string,
  args: readonly string[],
): Promise<string[]> {
  const log = `${path}/strace`;
  const { code, stderr } = await spawn(module, args, {
    paths: [path],
    through: [
      "strace",
      "-f", // all threads
      "-qq",
      "-y", // descriptors with their paths
      "-e",
      // Not every machine has all of them.
      `trace=${TRACED.map((name) => `?${name}`).join()}`,
      "-o",
      log,
    ],
  }).end();
  if (code !== 0) throw new Error(stderr);
  return Deno.readTextFileSync(log).split("\n");
}

/**
 * Says what calls did, as `rename temporary to session`; those that failed and
 * those that have nothing to do with the directory are left out.
 *
 * @param lines As strace writes them.
 * @param directory A directory of sessions.
 */
export function describeCalls(
  lines: readonly string[],
  directory: string,
): string[] {
  return lines.flatMap((line) => {
    const [, name = "", rest = ""] = line.match(/^\d+ +(\w+)\((.*)$/) ?? [];
    const paths = [...rest.matchAll(/["<](\/[^">]*)[">]/g)]
      .map(([, path = ""]) => path)
      .filter((path) => path === directory || path.startsWith(`${directory}/`))
      .map((path) => nameOf(path, directory));
    const isElsewhere = paths.length === 0 && !/^sync(fs)?$/.test(name);
    if (isElsewhere || / = -1 E/.test(rest)) return [];
    return describe(name, rest, paths);
  });
}

function describe(
  name: string,
  rest: string,
  [path = "everything", to]: readonly string[],
): string[] {
  if (name.startsWith("open")) {
    const isSynced = /\bO_D?SYNC\b/.test(rest);
    return isSynced ? [`open ${path} synced`] : [];
  }
  if (name === "flock") {
    return [`${rest.includes("LOCK_UN") ? "unlock" : "lock"} ${path}`];
  }
  if (name.includes("sync")) return [`sync ${path}`];
  const verb = name.replace(/(at2?|64|v)$/, "").replace(/^pwrite$/, "write");
  return [to === undefined ? `${verb} ${path}` : `${verb} ${path} to ${to}`];
}

function nameOf(path: string, directory: string): string {
  if (path === directory) return "directory";
  const name = path.slice(directory.length + 1);
  return temporaryBirth(name) === undefined ? "session" : "temporary";
}
