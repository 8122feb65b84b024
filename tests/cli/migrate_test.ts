import { assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { lastAccessOf } from "../contract/contract.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  type CommandResult,
  readResult,
  runCommand,
  startCommand,
} from "./command.ts";
import { LockHolder } from "./lock_holder.ts";
import { SessionDirectory } from "./session_directory.ts";

const MINUTE = 60 * 1000;
const DAY = 24 * 60 * MINUTE;

/** A directory of sessions, and where they are to go. */
class Move implements Disposable {
  readonly directory: SessionDirectory;
  readonly #target = new TemporaryDirectory();
  readonly file: string = this.#target.join("sessions.db");

  private constructor(directory: SessionDirectory) {
    this.directory = directory;
  }

  static async make(): Promise<Move> {
    return new Move(await SessionDirectory.make());
  }

  /** The paths that the command may use, and no others. */
  get permissions(): string[] {
    const paths = `${this.directory.path},${this.file}`;
    return [`--allow-read=${paths}`, `--allow-write=${paths}`];
  }

  get args(): string[] {
    return ["migrate", this.directory.path, this.file];
  }

  run(...more: string[]): Promise<CommandResult> {
    return runCommand([...this.args, ...more], this);
  }

  /** Opens what the sessions have gone to. */
  open(): SqliteSessionStore {
    return new SqliteSessionStore(new DatabaseSync(this.file));
  }

  /** Names what is where the file is. */
  listTarget(): string[] {
    return this.#target.list();
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
    this.#target[Symbol.dispose]();
  }
}

Deno.test("migrate moves all sessions, with their lifetimes and last accesses", async () => {
  using move = await Move.make();
  const { directory } = move;
  const now = Date.now();
  const expiresAt = now + DAY;
  directory.addSession("live-000000000000", 0);
  directory.addSession("idle-000000000000", 5 * MINUTE, {
    idleTimeout: 10 * MINUTE,
  });
  directory.addSession("remembered-000000", 5 * DAY, { expiresAt });
  directory.addSession("over-000000000000", 0, { expiresAt: now - 1 });
  directory.addFile("notes.txt", "not ours");

  assertEquals(await move.run(), { code: 0, stdout: "Moved: 3\n", stderr: "" });
  assertEquals(directory.list(), ["notes.txt", "over-000000000000"]);
  const store = move.open();
  assertEquals((await store.load("remembered-000000"))?.expiresAt, expiresAt);
  const idle = await lastAccessOf(store, "idle-000000000000");
  assertEquals(Math.abs(idle! - (now - 5 * MINUTE)) < MINUTE, true);
  assertEquals((await Array.fromAsync(store.entries())).length, 3);
});

Deno.test("migrate makes the file, for its owner only", async () => {
  using move = await Move.make();
  move.directory.addSession("live-000000000000", 0);
  assertEquals((await move.run()).code, 0);
  assertEquals(Deno.statSync(move.file).mode! & 0o777, 0o600);
});

Deno.test("migrate adds to what is in the file already", async () => {
  using move = await Move.make();
  await move.open().save("another-000000000", { data: {}, createdAt: 1 });
  move.directory.addSession("live-000000000000", 0);
  assertEquals((await move.run()).stdout, "Moved: 1\n");
  assertEquals((await Array.fromAsync(move.open().entries())).length, 2);
  assertEquals((await move.run()).stdout, "Moved: 0\n");
});

Deno.test("migrate --json prints one line of JSON", async () => {
  using move = await Move.make();
  move.directory.addSession("live-000000000000", 0);
  assertEquals((await move.run("--json")).stdout, '{"moved":1}\n');
});

Deno.test("migrate says which sessions are unreadable, and moves the others", async () => {
  using move = await Move.make();
  move.directory.addSession("live-000000000000", 0);
  move.directory.addFile("unreadable-000000", "latchkey/1 cut");
  const { code, stdout, stderr } = await move.run();
  assertEquals([code, stdout], [0, "Moved: 1\n"]);
  assertStringIncludes(stderr, "Session unreadable-000000 was unreadable");
  assertEquals(move.directory.list(), ["unreadable-000000.bad"]);
});

Deno.test("migrate refuses what is no directory of sessions, and makes no file", async () => {
  using move = await Move.make();
  using other = new SessionDirectory();
  Deno.writeTextFileSync(`${other.path}/file`, "");
  for (
    const [path, reason] of [
      [`${other.path}/missing`, "it is missing"],
      [other.path, "no sessions were ever kept there"],
      [`${other.path}/file`, "it is not a directory"],
    ] as const
  ) {
    const permissions = [
      `--allow-read=${other.path},${move.file}`,
      `--allow-write=${other.path},${move.file}`,
    ];
    const { code, stdout, stderr } = await runCommand(
      ["migrate", path, move.file],
      { permissions },
    );
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, reason);
  }
  assertEquals(move.listTarget(), []);
});

Deno.test("migrate refuses a file that is no database, and moves nothing", async () => {
  using move = await Move.make();
  move.directory.addSession("live-000000000000", 0);
  Deno.writeTextFileSync(move.file, "anything else ".repeat(100));
  const { code, stdout, stderr } = await move.run();
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "file is not a database");
  assertEquals(move.directory.list(), ["live-000000000000"]);
});

Deno.test("migrate ends at Ctrl-C, and goes on when it is called again", async () => {
  using move = await Move.make();
  const { directory } = move;
  directory.addSession("held-000000000000", 0);
  {
    await using _holder = await LockHolder.start(
      `${directory.path}/held-000000000000`,
    );
    using watcher = Deno.watchFs(
      move.file.slice(0, move.file.lastIndexOf("/")),
    );
    const child = startCommand(move.args, move);
    // It has been listening since before it made the file.
    for await (const { paths } of watcher) {
      if (paths.includes(move.file)) break;
    }
    child.kill("SIGINT");
    const { code, stdout, stderr } = await readResult(child);
    assertEquals([code, stdout], [130, ""]);
    assertEquals(
      stderr,
      "Interrupted: 0 sessions moved, others may remain\n",
    );
  }
  assertEquals(directory.list(), ["held-000000000000"]);
  assertEquals((await move.run()).stdout, "Moved: 1\n");
});
