/**
 * Devices, sockets, pipes, links and directories under a session's name: an
 * operation that calls lstat before it reads returns none of them as a session
 * and does not hang, and neither does one that lists the directory.
 * tests/directory/names_test.ts tests links and directories with each operation.
 *
 * A plain `load` (and `has`, which is one) does not call lstat before it
 * reads: the directory is private, so only its owner could have put anything
 * there, and a directory that others may write is refused (tests/directory/prepare_directory_test.ts and
 * tests/directory/directory_store_test.ts show it). The last test shows its
 * answer for each kind. A pipe is not among them: a plain load waits there until
 * a process writes to it.
 */

import { assert, assertEquals } from "@std/assert";
import { encodeRecord, userTag } from "../../src/core/codec.ts";
import { putEntry } from "../index_state.ts";
import { makeSpecialFile, type SpecialFile } from "../special_files.ts";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { callInProcess, type Calls, LONGEST } from "./caller_script.ts";

const LIVE = "live-session-0001";
const RECORD = { data: { n: 1 }, createdAt: 1 };

/** A directory with one live session, and other files that are not sessions. */
class Scene implements Disposable {
  readonly #parent = new TemporaryDirectory();
  readonly path: string = this.#parent.join("sessions");
  readonly ids: string[] = [];

  constructor() {
    Deno.mkdirSync(this.path, { mode: 0o700 });
    Deno.mkdirSync(this.elsewhere(""), { mode: 0o700 });
    this.write(`${this.path}/${LIVE}`, LIVE);
  }

  /** Returns a path outside of the directory of sessions. */
  elsewhere(name: string): string {
    return this.#parent.join(`elsewhere/${name}`);
  }

  /** Writes a whole session file. */
  write(path: string, id: string): void {
    Deno.writeFileSync(path, encodeRecord(id, RECORD), { mode: 0o600 });
  }

  /** Puts an obstacle under an ID, if this machine can make it. */
  put(id: string, obstacle: SpecialFile): void {
    if (makeSpecialFile(`${this.path}/${id}`, obstacle)) this.ids.push(id);
    else {console.log(
        `left out: this user or machine cannot make a ${obstacle}`,
      );}
  }

  /** Puts every kind of file under a name of its own. */
  putAll(): void {
    const at = (id: string) => `${this.path}/${id}`;
    this.put("a-device-00000000", "device");
    this.put("a-socket-00000000", "socket");
    this.put("a-directory-00000", "directory");
    for (const device of ["zero", "null", "full", "random"]) {
      this.put(`link-to-${device}-000000`, { link: `/dev/${device}` });
    }
    this.put("link-to-live-0000", { link: at(LIVE) });
    this.put("link-to-nowhere-0", { link: this.elsewhere("nowhere") });
    this.put("link-to-itself-00", { link: at("link-to-itself-00") });
    this.put("loop-of-two-00000", { link: at("loop-of-two-00001") });
    this.put("loop-of-two-00001", { link: at("loop-of-two-00000") });
    this.write(this.elsewhere("same"), "link-to-own-00000");
    this.put("link-to-own-00000", { link: this.elsewhere("same") });
    this.put("link-relative-000", { link: "../elsewhere/same" });
    this.put("link-to-link-0000", { link: at("link-to-own-00000") });
  }

  /** Puts the pipes, on which a plain load would hang. */
  putPipes(): void {
    this.put("a-pipe-0000000000", "pipe");
    if (makeSpecialFile(this.elsewhere("pipe"), "pipe")) {
      this.put("link-to-a-pipe-00", { link: this.elsewhere("pipe") });
    }
  }

  /** Adds an entry for each of them to the index of a user. */
  putEntries(): void {
    const tag = userTag("ann");
    for (const id of [LIVE, ...this.ids]) putEntry(this.path, { tag, id });
  }

  /** The inode under each name. */
  describe(): Record<string, unknown> {
    return Object.fromEntries(
      [...Deno.readDirSync(this.path)].map(({ name }) => [
        name,
        Deno.lstatSync(`${this.path}/${name}`).ino,
      ]),
    );
  }

  /** Calls a store in a process that may also read devices and `elsewhere`. */
  async call(
    calls: Omit<Calls, "directory">,
  ): Promise<Record<string, unknown>> {
    return await callInProcess(
      { directory: this.path, ...calls },
      this.#parent.path,
    );
  }

  [Symbol.dispose](): void {
    this.#parent[Symbol.dispose]();
  }
}

Deno.test("only a regular file is touched, updated or deleted, and no other file hangs the operation", async () => {
  using scene = new Scene();
  scene.putAll();
  scene.putPipes();
  const before = scene.describe();
  const report = await scene.call({
    ids: scene.ids,
    calls: ["touch", "update", "delete"],
  });
  for (const id of scene.ids) {
    assertEquals(report[`touch ${id}`], false, id);
    assertEquals(report[`update ${id}`], "none", id);
    assertEquals(report[`delete ${id}`], false, id);
  }
  const { ".latchkey": _marker, ...after } = scene.describe();
  assertEquals(after, before);
  console.log(
    `${Object.keys(report).length} calls on ${scene.ids.length} kinds`,
  );
});

Deno.test("only a regular file is written over", async () => {
  using scene = new Scene();
  scene.putAll();
  scene.putPipes();
  const before = scene.describe();
  const report = await scene.call({
    ids: scene.ids,
    calls: ["save", "create"],
  });
  for (const id of scene.ids) {
    // A name that leads nowhere looks missing, and cannot be linked to.
    assert(String(report[`save ${id}`]).match(/^[A-Z]/), id);
    assert(String(report[`create ${id}`]).match(/^[A-Z]/), id);
  }
  const { ".latchkey": _marker, ...after } = scene.describe();
  assertEquals(after, before);
});

Deno.test("entries and cleanup skip everything that is not a regular file", async () => {
  using scene = new Scene();
  scene.putAll();
  scene.putPipes();
  scene.putEntries();
  const { [LIVE]: _live, ...before } = scene.describe();
  const report = await scene.call({
    ids: [LIVE],
    calls: ["entries", "entries of a user", "cleanup"],
  });
  assertEquals(report[`entries ${LIVE}`], [LIVE]);
  assertEquals(report[`entries of a user ${LIVE}`], []);
  assertEquals(report[`cleanup ${LIVE}`], {
    deleted: 1,
    remaining: 0,
    orphans: 0,
  });
  const { ".latchkey": _marker, ...after } = scene.describe();
  assertEquals(after, before);
});

Deno.test("the command line skips everything that is not a regular file", async () => {
  using scene = new Scene();
  scene.putAll();
  scene.putPipes();
  Deno.writeTextFileSync(`${scene.path}/.latchkey`, "");
  const { [LIVE]: _live, ...before } = scene.describe();
  const clean = async (...flags: string[]) => {
    const args = ["cleanup", scene.path, "--minutes=30", ...flags];
    const child = spawn("mod.ts", args, { paths: [scene.path] });
    return await child.end(LONGEST);
  };
  const ended = { code: 0, stderr: "" };
  const stdout = "Deleted: 1, Remaining: 0";
  assertEquals(await clean("--dry-run"), {
    ...ended,
    stdout: `${stdout} (dry run: nothing was deleted)\n`,
  });
  assertEquals(await clean(), { ...ended, stdout: `${stdout}\n` });
  assertEquals(scene.describe(), before);
});

/** The files that replace a session's file after the listing. */
const SWAPS: Readonly<Record<string, (scene: Scene) => SpecialFile>> = {
  "a pipe": () => "pipe",
  "a device": () => "device",
  "a socket": () => "socket",
  "a directory": () => "directory",
  "a link to a pipe": (scene) => {
    makeSpecialFile(scene.elsewhere("pipe"), "pipe");
    return { link: scene.elsewhere("pipe") };
  },
  "a link to an endless file": () => ({ link: "/dev/zero" }),
  "a link to itself": (scene) => ({ link: `${scene.path}/${LIVE}` }),
  "a link to nowhere": (scene) => ({ link: scene.elsewhere("nowhere") }),
};

for (const [what, obstacleOf] of Object.entries(SWAPS)) {
  for (const call of ["entries", "entries of a user", "cleanup"] as const) {
    Deno.test(`${what} that replaces a file after the listing does not stop ${call}`, async () => {
      using scene = new Scene();
      const swap = scene.elsewhere("swap");
      if (!makeSpecialFile(swap, obstacleOf(scene))) {
        console.log(`left out: this user or machine cannot make it`);
        return;
      }
      scene.write(`${scene.path}/other-session-0001`, "other-session-0001");
      scene.putEntries();
      const report = await scene.call({ ids: [LIVE], calls: [call], swap });
      assertEquals(
        report[`${call} ${LIVE}`],
        {
          "entries": ["other-session-0001"],
          "entries of a user": [],
          "cleanup": { deleted: 1, remaining: 0, orphans: 0 },
        }[call],
      );
    });
  }
}

Deno.test("a plain load follows a link to a whole file of its ID, and returns no other file", async () => {
  using scene = new Scene();
  scene.putAll();
  const report = await scene.call({ ids: scene.ids, calls: ["load", "has"] });
  const served = scene.ids.filter((id) => report[`load ${id}`] !== "none");
  assertEquals(served, ["link-to-own-00000"]);
  assertEquals(report["load link-to-own-00000"], RECORD);
  for (const id of scene.ids) {
    assertEquals(report[`has ${id}`], served.includes(id), id);
  }
});
