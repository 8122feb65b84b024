/**
 * Mounts a file system, keeps sessions there, and reports the results. It runs as
 * root in a mount namespace of its own (`unshare --mount`): no other process sees
 * the mount, and it ends with the process.
 */

import type { StoreWarning } from "../../src/core/store.ts";
import { temporaryBirth } from "../../src/directory/layout.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID } from "../constants.ts";
import { runSync } from "../spawn.ts";

/** A file system, and how to get one. */
export interface FileSystem {
  /** Its type, for `mount`. */
  readonly type: string;
  /** Options of `mount`. */
  readonly options?: string;
  /** The command that makes one in a file, its last argument; if it needs one. */
  readonly make?: readonly string[];
  /** A command that prepares an empty directory in it, its last argument. */
  readonly prepare?: readonly string[];
  /** Whether it lies over two directories of another one. */
  readonly isOverlay?: boolean;
  /** Whether it shows a directory of another one, and is unmounted at the end. */
  readonly isBind?: boolean;
}

/** The result. */
export type Outcome =
  /** The machine has no such file system, or cannot make one. */
  | { readonly is: "missing"; readonly why: string }
  | { readonly is: "refused"; readonly name: string; readonly message: string }
  | {
    readonly is: "kept";
    readonly seen: readonly unknown[];
    /** What the store warned of. */
    readonly warnings: readonly string[];
  };

const IMAGE_SIZE = 16 * 1024 * 1024;
const RECORD = { data: { n: 1 }, createdAt: 1 };

/** This machine cannot mount the file system. */
class Missing extends Error {}

function run(command: string, ...args: readonly string[]): void {
  try {
    const { code, stderr } = runSync(command, args);
    if (code === 0) return;
    throw new Missing(stderr.trim().split("\n")[0]);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Missing(`there is no ${command}`);
  }
}

function mount(fileSystem: FileSystem, parent: string): string {
  const { type, options = "", make, prepare, isOverlay, isBind } = fileSystem;
  const point = `${parent}/point`;
  Deno.mkdirSync(point);
  const image = `${parent}/image`;
  const layers = ["lower", "upper", "work"].map((name) => `${parent}/${name}`);
  let given = options;
  if (make !== undefined) {
    Deno.writeFileSync(image, new Uint8Array());
    Deno.truncateSync(image, IMAGE_SIZE);
    const [command = "", ...args] = make;
    run(command, ...args, image);
    given = `loop,${options}`;
  } else if (isOverlay) {
    for (const layer of layers) Deno.mkdirSync(layer);
    const [lower, upper, work] = layers;
    given = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  }
  const flags = given === "" ? [] : ["-o", given];
  const source = isBind ? `${parent}/source` : make ? image : "none";
  if (isBind) Deno.mkdirSync(source);
  run("mount", "-t", type, ...flags, source, point);
  const directory = make || isOverlay ? `${point}/sessions` : point;
  if (directory !== point) Deno.mkdirSync(directory, { mode: 0o700 });
  else Deno.chmodSync(directory, 0o700);
  if (prepare !== undefined) {
    const [command = "", ...args] = prepare;
    run(command, ...args, directory);
  }
  return directory;
}

/** One of everything that a store does. */
async function live(
  directory: string,
  onWarning: (warning: StoreWarning) => void,
): Promise<unknown[]> {
  using store = new DirectorySessionStore(directory, { onWarning });
  const seen: unknown[] = [
    await store.create(ID, RECORD),
    await store.create(ID, RECORD),
    await store.load(ID.toUpperCase()),
  ];
  await store.save(ID, { ...RECORD, idleTimeout: 60_000 });
  seen.push(
    await store.touch(ID),
    (await store.update(ID, (record) => ({ ...record, data: { n: 2 } })))?.data,
    (await store.load(ID, { touch: () => true }))?.data,
    (await Array.fromAsync(store.entries())).length,
    await store.deleteOldSessions(0),
    await store.delete(ID),
    await store.has(ID),
    [...Deno.readDirSync(directory)].map(({ name }) => name)
      // FUSE keeps a name for a removed file that is open.
      .filter((name) => name !== "lost+found" && !name.startsWith(".fuse_"))
      .map((name) => temporaryBirth(name) === undefined ? name : "a recycled")
      .sort(),
  );
  return seen;
}

async function tryOut(
  fileSystem: FileSystem,
  parent: string,
): Promise<Outcome> {
  let directory: string;
  try {
    directory = mount(fileSystem, parent);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { is: "missing", why: error.message };
  }
  try {
    const warnings: string[] = [];
    const seen = await live(directory, ({ type, message }) => {
      warnings.push(`${type}: ${message.replace(directory, "DIR")}`);
    });
    return { is: "kept", seen, warnings };
  } catch (error) {
    const { name, message } = error as Error;
    return { is: "refused", name, message: message.replace(directory, "DIR") };
  } finally {
    // Its daemon ends with the mount.
    if (fileSystem.isBind) run("umount", directory);
  }
}

if (import.meta.main) {
  const [fileSystem = "", parent = ""] = Deno.args;
  console.log(JSON.stringify(await tryOut(JSON.parse(fileSystem), parent)));
}
