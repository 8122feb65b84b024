import { statfsSync } from "node:fs";
import { bad, type Finding, ok, skip, warn } from "../core/finding.ts";
import { sharedFileSystem } from "../directory/file_system.ts";
import { system } from "../system/system.ts";
import { withCommas } from "./console.ts";

/** Types of file systems as Linux numbers them, see statfs(2). */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "XFS"],
  [0x9123683e, "Btrfs"],
  [0x2fc12fc1, "ZFS"],
  [0xf2f52010, "F2FS"],
]);
/** Those that do not outlive the machine, or the container. */
const FLEETING: ReadonlyMap<number, string> = new Map([
  [0x01021994, "tmpfs: all sessions are gone when the machine restarts"],
  [0x858458f6, "ramfs: all sessions are gone when the machine restarts"],
  [0x794c7630, "overlay: all sessions are gone with the container"],
]);
/** Below this share there is little room. */
const LITTLE = 0.05;
const MOUNTS = "/proc/self/mountinfo";
const MOUNT_POINT = 4;
const OPTIONS = 5;

/**
 * Inspects what is below a directory or a file: the file system, its room, and how
 * it is mounted.
 *
 * @param path The directory or file.
 */
export function* inspectDisk(path: string): Generator<Finding> {
  if (system.os() !== "linux") {
    yield skip("file system", "Linux");
    return;
  }
  const asked = { name: "sys", kind: "statfs" } as const;
  if (Deno.permissions.querySync(asked).state !== "granted") {
    yield skip("disk", "--allow-sys=statfs");
  } else {
    const { type, bsize, blocks, bavail, files, ffree } = statfsSync(path);
    yield judgeType(type >>> 0);
    yield judgeRoom("bytes", bavail * bsize, blocks * bsize);
    // Btrfs counts none.
    if (files > 0) yield judgeRoom("inodes", ffree, files);
  }
  yield inspectMount(path);
}

function judgeType(type: number): Finding {
  const check = "file system";
  const fleeting = FLEETING.get(type);
  if (fleeting !== undefined) {
    return warn(check, fleeting, "put it on a disk, if sessions are to stay");
  }
  const shared = sharedFileSystem(type);
  if (shared !== undefined) {
    return bad(
      check,
      `${shared}: its locks may not reach other mounts and hosts`,
      "use it through one mount on one host, or keep sessions in Redis or PostgreSQL",
    );
  }
  return ok(check, NAMES.get(type) ?? `type 0x${type.toString(16)}`);
}

function judgeRoom(what: string, free: number, all: number): Finding {
  const state = `${withCommas(free)} ${what} of ${withCommas(all)} are free`;
  const check = `free ${what}`;
  if (free === 0) {
    return bad(
      check,
      state,
      "make room; of a directory, `cleanup` works on a full disk",
    );
  }
  return free / all < LITTLE
    ? warn(check, state, "call `cleanup`, and look what else is there")
    : ok(check, state);
}

function inspectMount(path: string): Finding {
  const check = "mount";
  let text: string;
  try {
    text = Deno.readTextFileSync(MOUNTS);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return skip(check, "/proc");
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    return skip(check, "--allow-all, as Deno wants for /proc");
  }
  const real = Deno.realPathSync(path);
  let [point, options] = ["", ""];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const mounted = (fields[MOUNT_POINT] ?? "").replaceAll(
      /\\(\d{3})/g,
      (_, code) => String.fromCharCode(parseInt(code, 8)),
    );
    const isAbove = mounted === "/" || real === mounted ||
      real.startsWith(`${mounted}/`);
    // Of two at one place, the later one hides the other.
    if (mounted === "" || !isAbove || mounted.length < point.length) continue;
    const [, superOptions = ""] = line.split(" - ");
    [point, options] = [
      mounted,
      `${fields[OPTIONS]},${superOptions.split(" ").at(-1)}`,
    ];
  }
  const all = options.split(",");
  const state = `${point}: ${[...new Set(all)].join(", ")}`;
  if (all.includes("ro")) {
    return bad(check, state, `mount -o remount,rw ${point}`);
  }
  return all.includes("nobarrier") || all.includes("barrier=0")
    ? warn(check, state, "without barriers a power loss can damage the disk")
    : ok(check, state);
}
