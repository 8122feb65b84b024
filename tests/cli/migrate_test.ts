import { assertEquals, assertStringIncludes } from "@std/assert";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { MINUTE } from "../constants.ts";
import { lastAccessOf } from "../contract/contract.ts";
import { type Ending, spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { LockHolder } from "./lock_holder.ts";
import { SessionDirectory } from "./session_directory.ts";

const DAY = 24 * 60 * MINUTE;

/** A directory of sessions, and the database that they move to. */
class Migration implements Disposable {
  readonly directory: SessionDirectory;
  readonly #target = new TemporaryDirectory();
  readonly file: string = this.#target.join("sessions.db");

  private constructor(directory: SessionDirectory) {
    this.directory = directory;
  }

  static async make(): Promise<Migration> {
    return new Migration(await SessionDirectory.make());
  }

  /** The permissions that the command needs. */
  get flags(): string[] {
    const paths = `${this.directory.path},${this.file}`;
    return [`--allow-read=${paths}`, `--allow-write=${paths}`];
  }

  get args(): string[] {
    return ["migrate", this.directory.path, `sqlite:${this.file}`];
  }

  run(...more: string[]): Promise<Ending> {
    return spawn("mod.ts", [...this.args, ...more], this).end();
  }

  /** Opens the database. */
  open(): SqliteSessionStore {
    return new SqliteSessionStore(this.file);
  }

  /** Lists the directory of the database. */
  listTarget(): string[] {
    return this.#target.list();
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
    this.#target[Symbol.dispose]();
  }
}

Deno.test("migrate moves all sessions, with their lifetimes and last accesses", async () => {
  using migration = await Migration.make();
  const { directory } = migration;
  const now = Date.now();
  const expiresAt = now + DAY;
  directory.addSession("live-000000000000", 0);
  directory.addSession("idle-000000000000", 5 * MINUTE, {
    idleTimeout: 10 * MINUTE,
  });
  directory.addSession("remembered-000000", 5 * DAY, { expiresAt });
  directory.addSession("expired-000000000", 0, { expiresAt: now - 1 });
  directory.addFile("notes.txt", "not ours");

  assertEquals(await migration.run(), {
    code: 0,
    stdout: "Moved: 3\n",
    stderr: "",
  });
  assertEquals(directory.list(), ["expired-000000000", "notes.txt"]);
  const store = migration.open();
  assertEquals((await store.load("remembered-000000"))?.expiresAt, expiresAt);
  const idle = await lastAccessOf(store, "idle-000000000000");
  assertEquals(Math.abs(idle! - (now - 5 * MINUTE)) < MINUTE, true);
  assertEquals((await Array.fromAsync(store.entries())).length, 3);
});

Deno.test("migrate creates the file for its owner only", async () => {
  using migration = await Migration.make();
  migration.directory.addSession("live-000000000000", 0);
  assertEquals((await migration.run()).code, 0);
  assertEquals(Deno.statSync(migration.file).mode! & 0o777, 0o600);
});

Deno.test("migrate refuses a TO that does not say what it is to be, or is not a path, and moves nothing", async () => {
  using migration = await Migration.make();
  const { directory, file } = migration;
  directory.addSession("live-000000000000", 0);
  for (
    const [to, reason] of [
      [file, `TO is missing: ${file} (write directory:${file} or sqlite:`],
      ["sqlite::memory:", "TO is not a path: :memory: (write sqlite:./"],
      ["sqlite:file:a.db?mode=ro", "TO is not a path: file:a.db?mode=ro"],
      ["mysql://u:secret@h/d", "TO has an unknown scheme: mysql://u:***@h/d"],
    ] as const
  ) {
    const { code, stdout, stderr } = await spawn("mod.ts", [
      "migrate",
      directory.path,
      to,
    ], { flags: migration.flags }).end();
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, reason);
  }
  assertEquals(directory.list(), ["live-000000000000"]);
  assertEquals(migration.listTarget(), []);
});

Deno.test("migrate refuses two addresses of one store, which would lose its sessions", async () => {
  using migration = await Migration.make();
  const { directory } = migration;
  directory.addSession("live-000000000000", 0);
  const { code, stderr } = await spawn("mod.ts", [
    "migrate",
    directory.path,
    `directory:${directory.path}/.`,
  ], { flags: migration.flags }).end();
  assertEquals(code, 2);
  assertStringIncludes(stderr, "FROM and TO are the same store");
  assertEquals(directory.list(), ["live-000000000000"]);
});

Deno.test("migrate keeps the sessions that are already in the file", async () => {
  using migration = await Migration.make();
  await migration.open().save("another-000000000", { data: {}, createdAt: 1 });
  migration.directory.addSession("live-000000000000", 0);
  assertEquals((await migration.run()).stdout, "Moved: 1\n");
  assertEquals((await Array.fromAsync(migration.open().entries())).length, 2);
  assertEquals((await migration.run()).stdout, "Moved: 0\n");
});

Deno.test("migrate --json prints one line of JSON", async () => {
  using migration = await Migration.make();
  migration.directory.addSession("live-000000000000", 0);
  assertEquals((await migration.run("--json")).stdout, '{"moved":1}\n');
});

Deno.test("migrate reports unreadable sessions, and moves the others", async () => {
  using migration = await Migration.make();
  migration.directory.addSession("live-000000000000", 0);
  migration.directory.addFile("unreadable-000000", "latchkey/1 cut");
  const { code, stdout, stderr } = await migration.run();
  assertEquals([code, stdout], [0, "Moved: 1\n"]);
  assertStringIncludes(stderr, "Session unreadable-000000 was unreadable");
  assertEquals(migration.directory.list(), ["unreadable-000000.bad"]);
});

Deno.test("migrate refuses a path that is not a directory of sessions, and creates no file", async () => {
  using migration = await Migration.make();
  using other = new SessionDirectory();
  Deno.writeTextFileSync(`${other.path}/file`, "");
  for (
    const [path, reason] of [
      [`${other.path}/missing`, "FROM is missing"],
      [other.path, "no sessions were ever kept there"],
      [`${other.path}/file`, "neither a directory nor an SQLite file"],
    ] as const
  ) {
    const flags = [
      `--allow-read=${other.path},${migration.file}`,
      `--allow-write=${other.path},${migration.file}`,
    ];
    const { code, stdout, stderr } = await spawn(
      "mod.ts",
      ["migrate", path, `sqlite:${migration.file}`],
      { flags },
    ).end();
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, reason);
  }
  assertEquals(migration.listTarget(), []);
});

Deno.test("migrate refuses a file that is not a database, and moves nothing", async () => {
  using migration = await Migration.make();
  migration.directory.addSession("live-000000000000", 0);
  Deno.writeTextFileSync(migration.file, "anything else ".repeat(100));
  const { code, stdout, stderr } = await migration.run();
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "file is not a database");
  assertEquals(migration.directory.list(), ["live-000000000000"]);
});

Deno.test("migrate ends at Ctrl-C, and moves the rest when it is called again", async () => {
  using migration = await Migration.make();
  const { directory } = migration;
  directory.addSession("held-000000000000", 0);
  {
    await using _holder = await LockHolder.start(
      `${directory.path}/held-000000000000`,
    );
    using watcher = Deno.watchFs(
      migration.file.slice(0, migration.file.lastIndexOf("/")),
    );
    const child = spawn("mod.ts", migration.args, migration);
    // It listens for Ctrl-C before it creates the file.
    for await (const { paths } of watcher) {
      if (paths.includes(migration.file)) break;
    }
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.end();
    assertEquals([code, stdout], [130, ""]);
    assertEquals(
      stderr,
      "Interrupted: 0 sessions moved, others may remain\n",
    );
  }
  assertEquals(directory.list(), ["held-000000000000"]);
  assertEquals((await migration.run()).stdout, "Moved: 1\n");
});
