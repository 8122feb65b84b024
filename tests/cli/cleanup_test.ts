import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encodeRecord } from "../../src/core/codec.ts";
import { MINUTE } from "../constants.ts";
import { type Ending, spawn } from "../spawn.ts";
import { LockHolder } from "./lock_holder.ts";
import { SessionDirectory } from "./session_directory.ts";

const SECOND = 1000;
const DAY = 24 * 60 * MINUTE;

async function cleanup(
  directory: SessionDirectory,
  ...args: string[]
): Promise<Ending> {
  return await spawn(
    "mod.ts",
    ["cleanup", directory.path, ...args],
    directory,
  ).end();
}

Deno.test("cleanup deletes expired and unused sessions and keeps the others", async () => {
  using directory = await SessionDirectory.make();
  const now = Date.now();
  directory.addSession("live-000000000000", 0);
  directory.addSession("unused-0000000000", 40 * MINUTE);
  directory.addSession("within-grace-0000", 31 * MINUTE);
  directory.addSession("idle-000000000000", 10 * MINUTE, {
    idleTimeout: 5 * MINUTE,
  });
  directory.addSession("idle-long-0000000", 40 * MINUTE, {
    idleTimeout: 2 * DAY,
  });
  directory.addSession("absolute-00000000", 0, {
    expiresAt: now - 10 * MINUTE,
  });
  directory.addSession("remembered-000000", 5 * DAY, { expiresAt: now + DAY });

  assertEquals(await cleanup(directory, "--minutes", "30"), {
    code: 0,
    stdout: "Deleted: 3, Remaining: 4\n",
    stderr: "",
  });
  assertEquals(directory.list(), [
    "idle-long-0000000",
    "live-000000000000",
    "remembered-000000",
    "within-grace-0000",
  ]);
});

Deno.test("cleanup keeps each session two minutes longer, or as long as --grace-seconds says", async () => {
  using directory = await SessionDirectory.make();
  directory.addSession("within-grace-0000", 31 * MINUTE);
  directory.addSession("idle-000000000000", 61 * SECOND, {
    idleTimeout: MINUTE,
  });

  const first = await cleanup(directory, "--minutes", "30");
  assertEquals(first.stdout, "Deleted: 0, Remaining: 2\n");
  const second = await cleanup(
    directory,
    "--minutes=30",
    "--grace-seconds=0.5",
  );
  assertEquals(second.stdout, "Deleted: 2, Remaining: 0\n");
});

Deno.test("cleanup keeps an old session while another process has its lock", async () => {
  using directory = await SessionDirectory.make();
  directory.addSession("held-000000000000", DAY);
  {
    await using _holder = await LockHolder.start(
      `${directory.path}/held-000000000000`,
    );
    const { code, stdout } = await cleanup(directory, "--minutes", "30");
    assertEquals([code, stdout], [0, "Deleted: 0, Remaining: 1\n"]);
    assertEquals(directory.list(), ["held-000000000000"]);
  }
  const { stdout } = await cleanup(directory, "--minutes", "30");
  assertEquals(stdout, "Deleted: 1, Remaining: 0\n");
});

Deno.test("cleanup sets an unreadable session aside and reports it on stderr", async () => {
  using directory = await SessionDirectory.make();
  directory.addFile("unreadable-000000", "latchkey/1 cut");
  directory.addFile("empty-00000000000", "");

  const { code, stdout, stderr } = await cleanup(directory, "--minutes", "30");
  assertEquals([code, stdout], [0, "Deleted: 0, Remaining: 0\n"]);
  assertEquals(directory.list(), [
    "empty-00000000000.bad",
    "unreadable-000000.bad",
  ]);
  assertEquals(stderr.trimEnd().split("\n").length, 2, stderr);
  assertStringIncludes(stderr, "Session unreadable-000000 was unreadable");
});

Deno.test("cleanup leaves all other files alone, however old", async () => {
  using directory = await SessionDirectory.make();
  const other = encodeRecord("another-000000000", { data: {}, createdAt: 0 });
  for (
    const [name, content] of [
      [".gitignore", "*"],
      ["notes.txt", "not ours"],
      ["UPPER-CASE-00000000", "not ours"],
      ["tooshort", "not ours"],
      [".tmp-another-program", "not ours"],
      ["foreign-000000000", other],
    ] as const
  ) {
    directory.addFile(name, content);
    directory.setAge(name, 400 * DAY);
  }
  Deno.mkdirSync(`${directory.path}/directory-0000000`);
  Deno.writeTextFileSync(`${directory.path}/directory-0000000/file`, "kept");

  const before = directory.describe();
  const { code, stdout } = await cleanup(directory, "--minutes", "0");
  assertEquals([code, stdout], [0, "Deleted: 0, Remaining: 0\n"]);
  assertEquals(directory.describe(), before);
});

Deno.test("cleanup removes files that killed processes left, or that were set aside a week ago", async () => {
  using directory = await SessionDirectory.make();
  const temporary = (age: number) =>
    `.tmp-${String(Date.now() - age).padStart(15, "0")}-${"a".repeat(32)}`;
  const young = temporary(MINUTE);
  directory.addFile(temporary(2 * 60 * MINUTE), "half");
  directory.addFile(young, "half");
  directory.addFile("old-0000000000000.bad", "?");
  directory.setAge("old-0000000000000.bad", 8 * DAY);
  directory.addFile("new-0000000000000.bad", "?");

  const { code, stdout } = await cleanup(directory, "--minutes", "30");
  assertEquals([code, stdout], [
    0,
    "Deleted: 0, Remaining: 0, Orphans removed: 2\n",
  ]);
  assertEquals(directory.list(), [young, "new-0000000000000.bad"]);
});

Deno.test("cleanup --dry-run counts the same and changes nothing", async () => {
  using directory = await SessionDirectory.make();
  directory.addSession("live-000000000000", 0);
  directory.addSession("unused-0000000000", 40 * MINUTE);
  directory.addFile("unreadable-000000", "?");
  directory.addFile("old-0000000000000.bad", "?");
  directory.setAge("old-0000000000000.bad", 8 * DAY);

  const before = directory.describe();
  assertEquals(await cleanup(directory, "--minutes", "30", "--dry-run"), {
    code: 0,
    stdout:
      "Deleted: 1, Remaining: 1, Orphans removed: 1 (dry run: nothing was deleted)\n",
    stderr: "",
  });
  assertEquals(directory.describe(), before);
});

Deno.test("cleanup --json prints one line of JSON", async () => {
  using directory = await SessionDirectory.make();
  directory.addSession("live-000000000000", 0);
  directory.addSession("unused-0000000000", 40 * MINUTE);

  const dry = await cleanup(
    directory,
    "--minutes",
    "30",
    "--json",
    "--dry-run",
  );
  assertEquals(
    dry.stdout,
    '{"deleted":1,"remaining":1,"orphans":0,"dryRun":true}\n',
  );
  const { stdout } = await cleanup(directory, "--minutes", "30", "--json");
  assertEquals(
    stdout,
    '{"deleted":1,"remaining":1,"orphans":0,"dryRun":false}\n',
  );
});

Deno.test("cleanup works from any directory, on a relative path that looks like a number", async () => {
  using parent = new SessionDirectory();
  using directory = await SessionDirectory.make();
  Deno.renameSync(directory.path, `${parent.path}/007`);
  try {
    const result = await spawn("mod.ts", [
      "cleanup",
      "007",
      "--minutes",
      "30",
    ], {
      flags: ["--allow-read=007", "--allow-write=007"],
      cwd: parent.path,
    }).end();
    assertEquals(result, {
      code: 0,
      stdout: "Deleted: 0, Remaining: 0\n",
      stderr: "",
    });
  } finally {
    Deno.renameSync(`${parent.path}/007`, directory.path);
  }
});

Deno.test("cleanup refuses a path that is missing, not a directory, or without sessions", async () => {
  using directory = new SessionDirectory();
  directory.addSession("unused-0000000000", 40 * MINUTE);
  Deno.writeTextFileSync(`${directory.path}/file`, "");
  for (
    const [path, reason] of [
      [
        `${directory.path}/missing`,
        `(write directory:${directory.path}/missing or sqlite:`,
      ],
      [directory.path, "no sessions were ever kept there"],
      [`${directory.path}/file`, "neither a directory nor an SQLite file"],
    ] as const
  ) {
    const { code, stdout, stderr } = await spawn(
      "mod.ts",
      ["cleanup", path, "--minutes", "0"],
      directory,
    ).end();
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, path);
    assertStringIncludes(stderr, reason);
    assertEquals(stderr.trimEnd().includes("\n"), false, stderr);
  }
  // The marker is not added either.
  const names = [...Deno.readDirSync(directory.path)].map(({ name }) => name);
  assertEquals(names.sort(), ["file", "unused-0000000000"]);
});

Deno.test("cleanup leaves the work to another cleanup, and fails if that began over a day ago", async () => {
  using directory = await SessionDirectory.make();
  directory.addSession("unused-0000000000", 40 * MINUTE);
  const marker = `${directory.path}/.latchkey`;
  await using _other = await LockHolder.start(marker);
  const began = new Date(Date.now() - DAY + 10 * MINUTE);
  Deno.utimeSync(marker, began, began);
  assertEquals(await cleanup(directory, "--minutes", "30"), {
    code: 0,
    stdout:
      `Nothing done: another cleanup is at work since ${began.toISOString()}\n`,
    stderr: "",
  });
  const json = await cleanup(directory, "--minutes", "30", "--json");
  assertEquals(JSON.parse(json.stdout), {
    deleted: 0,
    remaining: 0,
    orphans: 0,
    isBusy: true,
    busySince: began.getTime(),
    dryRun: false,
  });
  const before = new Date(Date.now() - DAY - MINUTE);
  Deno.utimeSync(marker, before, before);
  const { code, stderr } = await cleanup(directory, "--minutes", "30");
  assertEquals([code, stderr], [
    1,
    "The other cleanup began over a day ago: look if it hangs\n",
  ]);
  assertEquals(directory.list(), ["unused-0000000000"]);
});

Deno.test("cleanup stops after --max-deletes and --max-seconds, and says so", async () => {
  using directory = await SessionDirectory.make();
  for (let n = 0; n < 3; n++) {
    directory.addSession(`unused-000000000${n}`, 40 * MINUTE);
  }
  const late = await cleanup(directory, "--minutes=30", "--max-seconds=0");
  assertEquals([late.code, late.stdout], [
    0,
    "Deleted: 0, Remaining: 0 (stopped early, as told)\n",
  ]);
  const some = await cleanup(
    directory,
    ...["--minutes=30", "--max-deletes=2", "--json"],
  );
  assertEquals(JSON.parse(some.stdout), {
    deleted: 2,
    remaining: 0,
    orphans: 0,
    isPartial: true,
    dryRun: false,
  });
  const rest = await cleanup(
    directory,
    ...["--minutes=30", "--max-deletes=1", "--max-seconds=1000"],
  );
  assertEquals(rest.stdout, "Deleted: 1, Remaining: 0\n");
});

Deno.test("cleanup ends at Ctrl-C in the middle, and leaves the rest", async () => {
  using directory = await SessionDirectory.make();
  const most = 10_000;
  for (let n = 0; n < most; n++) {
    directory.addSession(`unused-${String(n).padStart(10, "0")}`, 40 * MINUTE);
  }
  const watcher = Deno.watchFs(directory.path);
  const child = spawn(
    "mod.ts",
    ["cleanup", directory.path, "--minutes", "30"],
    directory,
  );
  for await (const { kind } of watcher) {
    if (kind === "remove") break;
  }
  // It is stopped, so that it does not end before the signal arrives.
  child.kill("SIGSTOP");
  const left = directory.list().length;
  assert(left > most / 10, `${left} left: it was not in the middle`);
  child.kill("SIGINT");
  child.kill("SIGCONT");
  const { code, stdout, stderr } = await child.end();
  assertEquals([code, stdout], [130, ""]);
  assertEquals(stderr, "Interrupted: some old sessions may remain\n");
  assert(directory.list().length > 0);
  const { stdout: rest } = await cleanup(directory, "--minutes", "30");
  assert(rest.startsWith("Deleted: "));
  assertEquals(directory.list(), []);
});
