/**
 * Real file systems, if this machine has them and lets us mount them: one that
 * lacks something is refused with an error that names it, the others keep
 * sessions. tests/directory/prepare_directory_test.ts tests each lack by itself.
 */

import { assertEquals } from "@std/assert";
import { isSessionId } from "../../src/core/token.ts";
import { type System, system } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { replaceSystem } from "../replaced_system.ts";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import type { FileSystem, Outcome } from "./mounted_script.ts";

const NO_LINKS =
  "Cannot keep sessions in DIR: its file system has no hard links";
const NO_MODE =
  "Cannot keep sessions in DIR: its file system does not keep the mode of a file";

const SHARED =
  "setup: DIR is on FUSE (sshfs, bindfs, virtiofs), whose locks may not reach other mounts and hosts: use it through one mount on one host, or keep sessions in Redis or PostgreSQL";

/** The results of all operations where they work: see `live()` of the script. */
const KEPT = [
  true,
  false,
  null,
  true,
  { n: 2 },
  { n: 2 },
  1,
  { deleted: 0, remaining: 1, orphans: 0 },
  true,
  false,
  [".latchkey", "a recycled"],
];

/** Each file system, and the error that refuses it, if any. */
const FILE_SYSTEMS: Readonly<Record<string, readonly [FileSystem, string?]>> = {
  "ext4": [{ type: "ext4", make: ["mkfs.ext4", "-q", "-F"] }],
  "ext4 that ignores case": [{
    type: "ext4",
    make: ["mkfs.ext4", "-q", "-F", "-O", "casefold"],
    prepare: ["chattr", "+F"],
  }],
  "tmpfs": [{ type: "tmpfs" }],
  "ramfs": [{ type: "ramfs" }],
  "an overlay, as containers have it": [{ type: "overlay", isOverlay: true }],
  "bindfs, which is FUSE": [{ type: "fuse.bindfs", isBind: true }],
  "message queues, which have no links": [{ type: "mqueue" }, NO_LINKS],
  "FAT, which has no links and no modes": [
    { type: "vfat", make: ["mkfs.vfat"], options: "umask=077" },
    NO_MODE,
  ],
  "FAT with the modes that we want": [
    { type: "vfat", make: ["mkfs.vfat"], options: "dmask=077,fmask=177" },
    NO_LINKS,
  ],
  "exFAT": [
    { type: "exfat", make: ["mkfs.exfat"], options: "dmask=077,fmask=177" },
    NO_LINKS,
  ],
};

/** Runs the script as root in a mount namespace of its own. */
const UNSHARE = `
try {
  const [script, ...args] = Deno.args;
  const { code } = new Deno.Command("unshare", {
    args: ["--mount", Deno.execPath(), "run", "--quiet", "-A", script, ...args],
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  Deno.exit(code);
} catch (error) {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
  Deno.exit(1);
}`;

async function tryOut(fileSystem: FileSystem): Promise<Outcome> {
  using parent = new TemporaryDirectory();
  const { code, stdout, stderr } = await spawnDeno([
    "eval",
    UNSHARE,
    new URL("./mounted_script.ts", import.meta.url).href,
    JSON.stringify(fileSystem),
    parent.path,
  ]).end();
  if (code === 0) return JSON.parse(stdout);
  const why = stderr.trim().split("\n")[0] || "no unshare";
  return { is: "missing", why };
}

for (const [what, [fileSystem, message]] of Object.entries(FILE_SYSTEMS)) {
  Deno.test(`${what}: ${message ? "refused" : "keeps sessions"}`, async () => {
    const outcome = await tryOut(fileSystem);
    if (outcome.is === "missing") {
      console.log(`skipped, not on this machine: ${outcome.why}`);
    } else if (message === undefined) {
      const warnings = fileSystem.isBind ? [SHARED] : [];
      assertEquals(outcome, { is: "kept", seen: KEPT, warnings });
    } else {
      const name = "SessionDirectoryError";
      assertEquals(outcome, { is: "refused", name, message });
    }
  });
}

/** A system whose file system ignores the case of names. */
function ignoreCase(real: System): Partial<System> {
  const find = (path: string) => {
    const [, directory = "", name = ""] = /^(.*)\/(.*)$/.exec(path) ?? [];
    const [found = name] = [...Deno.readDirSync(directory)]
      .map((entry) => entry.name)
      .filter((other) => other.toLowerCase() === name.toLowerCase());
    return `${directory}/${found}`;
  };
  return {
    open: (path, options) => real.open(find(path), options),
    lstat: (path) => real.lstat(find(path)),
    link: (from, to) => real.link(find(from), find(to)),
    rename: (from, to) => real.rename(find(from), find(to)),
    remove: (path) => real.remove(find(path)),
    changeMode: (path, mode) => real.changeMode(find(path), mode),
  };
}

Deno.test("where case is ignored, no two IDs lead to one session, and no other case is an ID", async () => {
  using directory = new TemporaryDirectory();
  const id = "abcdef-abcdef_abcdef";
  const record = { data: { n: 1 }, createdAt: 1 };
  using _replaced = replaceSystem(ignoreCase({ ...system }));
  const store = new DirectorySessionStore(directory.path);
  await store.save(id, record);
  for (const other of [id.toUpperCase(), `A${id.slice(1)}`]) {
    assertEquals(isSessionId(other), false);
    assertEquals(await store.load(other), undefined);
    assertEquals(await store.touch(other), false);
    assertEquals(await store.delete(other), false);
  }
  assertEquals(await store.create(id, record), false);
  // As another program may have renamed it: read, but not listed or cleaned.
  Deno.renameSync(directory.join(id), directory.join(id.toUpperCase()));
  assertEquals(await store.load(id), record);
  assertEquals(await Array.fromAsync(store.entries()), []);
  assertEquals(await store.deleteOldSessions(0), {
    deleted: 0,
    remaining: 0,
    orphans: 0,
  });
  assertEquals(await store.delete(id), true);
  assertEquals(directory.list(), [".latchkey"]);
});
