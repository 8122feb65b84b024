/**
 * Task `test`: runs the tests room by room, each with the permissions that its
 * row of {@linkcode ROOMS} names and no others, and ends with one line for all
 * of them. `deno task test disk stores` runs these rooms only; what begins
 * with `-` goes to `deno test`, as in `deno task test disk --filter lock`, and
 * what follows `--` to the tests: after `-- soak` those that search, search long.
 *
 * Every run has a temporary directory of its own as the system's, the only
 * place it can write to; it is removed at the end, whatever the tests left.
 *
 * Why a script and not flags in deno.json: a test that starts child processes
 * needs `--allow-run` for the very Deno that runs it, and only that Deno knows
 * its path (under npx it is not the `deno` in PATH).
 *
 * @module
 */

import { findPostgres } from "../tests/engines/find_postgres.ts";
import { findChromium } from "./chromium.ts";

/** What the tests of one room are and need. */
interface Room {
  readonly name: string;
  /** A directory or a file; what lies deeper may be another room's. */
  readonly path: string;
  readonly flags: readonly string[];
  /** Runs when it is asked for by name, only. */
  readonly onDemand?: boolean;
}

/** Where a room's run may look and what it may touch. */
interface Place {
  readonly root: string;
  readonly temporary: string;
  readonly deno: string;
  readonly chromium: string;
  /** Where its programs are; empty for nowhere. */
  readonly postgres: string;
}

/** What is for `deno test` and not for this script. */
interface PassOn {
  readonly flags: readonly string[];
  /** `--` and what the tests themselves are to read. */
  readonly words: readonly string[];
}

interface Result {
  readonly room: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

function listRooms(place: Place): Room[] {
  const { root, temporary, deno, chromium, postgres } = place;
  const read = `--allow-read=${root},${temporary}`;
  const write = `--allow-write=${temporary}`;
  const loopback = "--allow-net=127.0.0.1,localhost";
  // Child processes are this Deno, and say themselves what they may do.
  const children = `--allow-run=${deno}`;
  // For Deno.umask(), which no narrower flag grants.
  const umask = "--allow-sys";
  return [
    { name: "core", path: "tests/core", flags: [] },
    { name: "session", path: "tests/session", flags: [] },
    {
      name: "system",
      path: "tests/system",
      flags: [read, write, children],
    },
    {
      name: "directory",
      path: "tests/directory",
      flags: [read, write, children, umask],
    },
    {
      name: "migration",
      path: "tests/migration",
      flags: [read, write],
    },
    {
      name: "disk",
      path: "tests/disk",
      flags: [read, write, children, umask],
    },
    {
      name: "stores",
      path: "tests/stores",
      flags: [read, write, children, umask],
    },
    {
      name: "engines",
      path: "tests/engines",
      flags: [
        read,
        write,
        loopback,
        // Beside children: the engines, and what starts one as another user.
        [
          children,
          "redis-server",
          "redis-cli",
          "setpriv",
          ...["initdb", "postgres"].map((name) => `${postgres}/${name}`),
        ].join(),
        // The drivers from npm look into the environment, and for the system.
        "--allow-env",
        "--allow-sys",
      ],
    },
    { name: "orders", path: "tests/orders", flags: [read, write] },
    {
      name: "histories",
      path: "tests/histories",
      flags: [read, write, children],
    },
    {
      name: "waiting",
      path: "tests/waiting",
      flags: [read, write, children],
    },
    {
      name: "faults",
      path: "tests/faults",
      // Beside children: what makes real faults and sees real calls. A test
      // that lacks one of them is skipped, and says so.
      flags: [
        read,
        write,
        `${children},sh,env,setpriv,strace,mount,umount`,
      ],
    },
    {
      name: "hostile",
      path: "tests/hostile",
      flags: [read, write, children],
    },
    {
      name: "http",
      path: "tests/http",
      flags: [read, write, children, loopback],
    },
    {
      name: "manager",
      path: "tests/manager",
      flags: [read, write, children, loopback],
    },
    {
      name: "cli",
      path: "tests/cli",
      flags: [read, write, children, loopback],
    },
    {
      name: "demo",
      path: "tests/demo",
      flags: [read, write, children, loopback],
    },
    {
      name: "house",
      path: "tests",
      flags: [read, write, children],
    },
    {
      name: "browser",
      path: "tests/demo/browser_test.ts",
      onDemand: true,
      flags: [
        "--allow-read",
        // Else playwright-core, which looks there, would need --allow-all.
        "--ignore-read=/proc",
        write,
        `--allow-run=${deno},${chromium}`,
        "--allow-env",
        "--allow-sys",
        loopback,
      ],
    },
  ];
}

async function main(args: readonly string[]): Promise<number> {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const firstFlag = args.findIndex((arg) => arg.startsWith("-"));
  const cut = firstFlag < 0 ? end : firstFlag;
  const wanted = args.slice(0, cut);
  const passOn: PassOn = {
    flags: args.slice(cut, end),
    words: args.slice(end),
  };
  const root = Deno.realPathSync(new URL("../", import.meta.url));
  const temporary = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "latchkey-test-" }),
  );
  try {
    return await runRooms(wanted, passOn, {
      root,
      temporary,
      deno: Deno.execPath(),
      chromium: await findChromium() ?? "chromium",
      postgres: findPostgres() ?? "",
    });
  } finally {
    Deno.removeSync(temporary, { recursive: true });
  }
}

async function runRooms(
  wanted: readonly string[],
  passOn: PassOn,
  place: Place,
): Promise<number> {
  const rooms = listRooms(place);
  const unknown = wanted.filter((name) => !rooms.some((r) => r.name === name));
  if (unknown.length > 0) {
    const names = rooms.map(({ name }) => name).join(", ");
    console.error(
      `test: no room "${unknown.join('", "')}"; there are ${names}`,
    );
    return 2;
  }

  const tests = Map.groupBy(
    listTests(place.root, "tests").sort(),
    (file) => findRoom(rooms, file),
  );
  const results: Result[] = [];
  for (const room of rooms) {
    const files = tests.get(room) ?? [];
    const chosen = wanted.length === 0
      ? !room.onDemand && files.length > 0
      : wanted.includes(room.name);
    if (chosen) results.push(await runRoom(room, files, passOn, place));
  }
  return summarize(results);
}

/** Returns the room with the longest path that leads to the file. */
function findRoom(rooms: readonly Room[], file: string): Room {
  const [room] = rooms
    .filter(({ path }) => file === path || file.startsWith(`${path}/`))
    .toSorted((one, other) => other.path.length - one.path.length);
  if (room === undefined) throw new Error(`Cannot run ${file}: in no room`);
  return room;
}

function listTests(root: string, directory: string): string[] {
  return [...Deno.readDirSync(`${root}/${directory}`)].flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) return listTests(root, path);
    return entry.name.endsWith("_test.ts") ? [path] : [];
  });
}

async function runRoom(
  room: Room,
  files: readonly string[],
  passOn: PassOn,
  { root, temporary, deno, chromium, postgres }: Place,
): Promise<Result> {
  console.log(
    `\n── ${room.name} ── ${room.flags.join(" ") || "no permissions"}`,
  );
  const reportPath = `${temporary}/${room.name}.xml`;
  if (files.length === 0) {
    console.error(`test: ${room.path} has no tests`);
    return { room: room.name, passed: 0, failed: 1, skipped: 0 };
  }
  const { success } = await new Deno.Command(deno, {
    args: [
      "test",
      "--no-prompt",
      ...room.flags,
      `--junit-path=${reportPath}`,
      ...passOn.flags,
      ...files,
      ...passOn.words,
    ],
    cwd: root,
    env: {
      TMPDIR: temporary,
      TMP: temporary,
      TEMP: temporary,
      ...(room.name === "browser" ? { CHROMIUM_PATH: chromium } : {}),
      ...(room.name === "engines" ? { POSTGRES_BIN: postgres } : {}),
    },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  const counts = readReport(reportPath);
  // Such as a type error: no test has failed, because none has run.
  const unexplained = !success && counts.failed === 0 ? 1 : 0;
  return {
    room: room.name,
    ...counts,
    failed: counts.failed + unexplained,
  };
}

/** Counts the tests, without their steps, of a JUnit report. */
function readReport(path: string): Omit<Result, "room"> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  if (!exists(path)) return counts;
  const xml = Deno.readTextFileSync(path);
  for (const [suite] of xml.matchAll(/<testsuite .*?<\/testsuite>/gs)) {
    const cases = [
      ...suite.matchAll(/<testcase name="([^"]*)".*?<\/testcase>/gs),
    ].map(([text, name = ""]) => ({ text, name }));
    const names = new Set(cases.map(({ name }) => name));
    for (const { text, name } of cases) {
      if (isStep(name, names)) continue;
      if (text.includes("<skipped")) counts.skipped++;
      else if (/<(failure|error)\b/.test(text)) counts.failed++;
      else counts.passed++;
    }
  }
  return counts;
}

/** A step is reported as "name of the test > name of the step". */
function isStep(name: string, names: ReadonlySet<string>): boolean {
  const arrow = " &gt; ";
  for (let at = name.indexOf(arrow); at > 0; at = name.indexOf(arrow, at + 1)) {
    if (names.has(name.slice(0, at))) return true;
  }
  return false;
}

function summarize(results: readonly Result[]): number {
  const sum = (of: (result: Result) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const failed = sum((result) => result.failed);
  const skipped = sum((result) => result.skipped);
  console.log("");
  for (const { room, ...counts } of results) {
    console.log(`${counts.failed > 0 ? "✗" : "✓"} ${room}: ${write(counts)}`);
  }
  console.log(
    write({ passed: sum((result) => result.passed), failed, skipped }),
  );
  return failed > 0 ? 1 : 0;
}

function write({ passed, failed, skipped }: Omit<Result, "room">): string {
  return `${passed} passed, ${failed} failed` +
    (skipped > 0 ? `, ${skipped} skipped` : "");
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
