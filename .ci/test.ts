/**
 * Task `test`: runs the tests room by room, each with the permissions that its
 * row in {@linkcode listRooms} names and no others, and as many rooms at once
 * as there are cores. It prints a line a room, what failed, and ends with one
 * line for all of them.
 *
 * `deno task test directory engines` runs these rooms only; one room alone shows
 * its output as it comes. What begins with `-` goes to `deno test`, as in
 * `deno task test directory --filter lock`, and what follows `--` to the tests:
 * after `-- soak` those that search, search long.
 *
 * Of an exhaustive search a share runs, which the commit chooses; see
 * `tests/share.ts`. Task `test:deep` is this script with `--deep` first: it
 * runs the rooms that have such searches, and each search whole, and those that
 * are too slow for every day.
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

import { stripVTControlCharacters } from "node:util";
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
  /** Measures how long something waits, which another room would prolong. */
  readonly runsAlone?: boolean;
  /** Has exhaustive searches, of which a share is enough for every day. */
  readonly isExhaustive?: boolean;
  /** Runs with `test:deep`, or when it is asked for by name, only. */
  readonly isSlow?: boolean;
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

/** What the command line asks for. */
interface CommandLine {
  readonly isDeep: boolean;
  /** Names; none for all that do not have to be asked for. */
  readonly rooms: readonly string[];
  /** For `deno test`. */
  readonly flags: readonly string[];
  /** For the tests themselves. */
  readonly words: readonly string[];
}

/** One call of Deno. */
interface Run {
  /** The room, or what else it is about. */
  readonly name: string;
  readonly args: readonly string[];
  readonly runsAlone?: boolean | undefined;
  /** Whether its output is shown as it comes. */
  readonly isShown?: boolean;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What takes longer hangs. */
const MOST_MINUTES = 30;
const MOST_MINUTES_OF_SOAK = 24 * 60;

/** How much of a run is shown that failed without a test that failed. */
const LAST_LINES = 100;

/** Stands for the commit where there is no Git. */
const NO_COMMIT = "none";

/** The closing line of `deno test`; steps, in brackets, do not count. */
const CLOSING_LINE =
  /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed(?:.*? \| (\d+) ignored)?/gm;

/** The line with which a test ends; that of a step is indented. */
const TEST_ENDS = /^\S.* \.\.\. (ok|ignored|FAILED)\b.* \(.*\)$/;

/** What `deno test` puts above the errors. */
const ERRORS = " ERRORS ";

/** The rooms, in the order in which they begin: the longest first. */
function listRooms(place: Place): Room[] {
  const { root, temporary, deno, chromium, postgres } = place;
  const read = `--allow-read=${root},${temporary}`;
  const write = `--allow-write=${temporary}`;
  const loopback = "--allow-net=127.0.0.1,localhost";
  // Child processes are this Deno, and say themselves what they may do.
  const children = `--allow-run=${deno}`;
  // For Deno.umask(), which no narrower flag grants.
  const umask = "--allow-sys";
  // Beside children: the engines, and what starts one as another user. The drivers
  // from npm look into the environment, and for the system.
  const withEngines = (...others: string[]) => [
    read,
    write,
    loopback,
    [
      children,
      "redis-server",
      "setpriv",
      ...["initdb", "postgres"].map((name) => `${postgres}/${name}`),
      ...others,
    ].join(),
    "--allow-env",
    "--allow-sys",
  ];
  return [
    {
      name: "engines",
      path: "tests/engines",
      flags: withEngines("redis-cli"),
    },
    {
      name: "runtimes",
      path: "tests/runtimes",
      flags: withEngines("tar"),
      isSlow: true,
    },
    {
      name: "cli",
      path: "tests/cli",
      // The others plant faults.
      flags: withEngines("mount", "umount", "script"),
    },
    {
      name: "histories",
      path: "tests/histories",
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
      isExhaustive: true,
    },
    {
      name: "orders",
      path: "tests/orders",
      flags: [read, write],
      isExhaustive: true,
    },
    {
      name: "hostile",
      path: "tests/hostile",
      // Beside children: what makes real volumes and other users' processes.
      flags: [read, write, `${children},setpriv,mount,umount`],
    },
    {
      name: "directory",
      path: "tests/directory",
      flags: [read, write, children, umask],
    },
    {
      name: "manager",
      path: "tests/manager",
      flags: [read, write, children, loopback],
      isExhaustive: true,
    },
    {
      name: "frameworks",
      path: "tests/frameworks",
      // The packages from npm look into the environment.
      flags: [read, write, children, loopback, "--allow-env"],
    },
    {
      name: "formats",
      path: "tests/formats",
      flags: withEngines(),
    },
    {
      name: "deploy",
      path: "tests/deploy",
      // Beside children: what docs/deploy.md has configurations for, and what
      // the tests need for that. Where one is not installed its tests are
      // skipped.
      flags: [
        read,
        write,
        loopback,
        `${children},nginx,caddy,openssl,systemd-analyze,tar`,
      ],
    },
    { name: "migration", path: "tests/migration", flags: [read, write] },
    {
      name: "demo",
      path: "tests/demo",
      flags: [read, write, children, loopback],
    },
    {
      name: "ci",
      path: "tests/ci",
      flags: [read, write, children, loopback],
    },
    { name: "system", path: "tests/system", flags: [read, write, children] },
    { name: "http", path: "tests/http", flags: [] },
    { name: "device", path: "tests/device", flags: [] },
    { name: "session", path: "tests/session", flags: [] },
    { name: "core", path: "tests/core", flags: [] },
    { name: "house", path: "tests", flags: [read, write, children] },
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
    {
      name: "devices",
      path: "tests/browser",
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
    {
      name: "endurance",
      path: "tests/endurance",
      // Beside children: what lists the descriptors of another process.
      flags: [read, write, `${children},ls`],
    },
    {
      name: "nodes",
      path: "tests/nodes",
      flags: withEngines(),
      runsAlone: true,
      isExhaustive: true,
      isSlow: true,
    },
    {
      name: "waiting",
      path: "tests/waiting",
      flags: [read, write, children],
      runsAlone: true,
    },
  ];
}

async function main(args: readonly string[]): Promise<number> {
  const temporary = Deno.realPathSync(
    Deno.makeTempDirSync({ prefix: "latchkey-test-" }),
  );
  try {
    return await runTests(readCommandLine(args), {
      root: Deno.realPathSync(new URL("../", import.meta.url)),
      temporary,
      deno: Deno.execPath(),
      chromium: await findChromium() ?? "chromium",
      postgres: findPostgres() ?? "",
    });
  } finally {
    Deno.removeSync(temporary, { recursive: true });
  }
}

function readCommandLine(args: readonly string[]): CommandLine {
  const isDeep = args[0] === "--deep";
  const rest = isDeep ? args.slice(1) : args;
  const end = rest.includes("--") ? rest.indexOf("--") : rest.length;
  const firstFlag = rest.findIndex((arg) => arg.startsWith("-"));
  const cut = firstFlag < 0 ? end : firstFlag;
  return {
    isDeep,
    rooms: rest.slice(0, cut),
    flags: rest.slice(cut, end),
    words: rest.slice(end + 1),
  };
}

async function runTests(line: CommandLine, place: Place): Promise<number> {
  const rooms = listRooms(place);
  const unknown = line.rooms.filter((name) =>
    !rooms.some((room) => room.name === name)
  );
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
  const chosen = rooms.filter(({ name, isExhaustive, isSlow, onDemand }) =>
    line.rooms.length > 0
      ? line.rooms.includes(name)
      : line.isDeep
      ? isExhaustive || isSlow
      : !onDemand && !isSlow
  );
  const filesOf = (room: Room): string[] => {
    const files = tests.get(room);
    if (files === undefined) {
      throw new Error(`Cannot run ${room.name}: no tests in ${room.path}`);
    }
    return files;
  };
  const words = ["--", ...line.words, ...await chooseShare(line, chosen)];
  // Once for all rooms: most of what one imports, others import as well.
  const check: Run = {
    name: "types",
    args: ["check", ...chosen.flatMap(filesOf)],
  };
  const runs = chosen.map((room): Run => ({
    name: room.name,
    args: [
      "test",
      "--no-prompt",
      "--no-check",
      ...room.flags,
      ...line.flags,
      ...filesOf(room),
      ...words,
    ],
    runsAlone: room.runsAlone,
    isShown: chosen.length === 1,
  }));
  const minutes = line.words.includes("soak")
    ? MOST_MINUTES_OF_SOAK
    : MOST_MINUTES;
  return summarize(await runAll([check, ...runs], minutes, place));
}

/** What tells the tests which share of an exhaustive search runs, if not all. */
async function chooseShare(
  { isDeep, words }: CommandLine,
  rooms: readonly Room[],
): Promise<string[]> {
  const names = rooms.filter(({ isExhaustive }) => isExhaustive)
    .map(({ name }) => name).join(" ");
  if (isDeep || words.includes("soak") || names === "") return [];
  const commit = await readCommit();
  console.log(
    `${names}: a share of each exhaustive search, by commit ${commit};` +
      ` all of it: deno task test:deep ${names}`,
  );
  return [`share=${commit}`];
}

async function readCommit(): Promise<string> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["rev-parse", "HEAD"],
      cwd: new URL(".", import.meta.url),
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : NO_COMMIT;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return NO_COMMIT;
    throw error;
  }
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

/** Runs as many at once as there are cores, then those that run alone. */
async function runAll(
  runs: readonly Run[],
  minutes: number,
  place: Place,
): Promise<Counts[]> {
  const results: Counts[] = [];
  const work = async (queue: Iterable<Run>) => {
    for (const run of queue) results.push(await runOne(run, minutes, place));
  };
  const together = runs.filter(({ runsAlone }) => !runsAlone).values();
  const { hardwareConcurrency } = navigator;
  await Promise.all(
    Array.from({ length: hardwareConcurrency }, () => work(together)),
  );
  await work(runs.filter(({ runsAlone }) => runsAlone));
  return results;
}

/** Runs one, says how it ended, and shows what failed. */
async function runOne(
  { name, args, isShown = false }: Run,
  minutes: number,
  { root, temporary, deno, chromium, postgres }: Place,
): Promise<Counts> {
  const begin = performance.now();
  const deadline = AbortSignal.timeout(minutes * 60_000);
  const child = new Deno.Command(deno, {
    args: [...args],
    cwd: root,
    env: {
      TMPDIR: temporary,
      TMP: temporary,
      TEMP: temporary,
      ...(isShown ? {} : { NO_COLOR: "1" }),
      ...(["browser", "devices"].includes(name)
        ? { CHROMIUM_PATH: chromium }
        : {}),
      ...(["engines", "formats", "nodes", "runtimes", "cli"].includes(name)
        ? { POSTGRES_BIN: postgres }
        : {}),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: deadline,
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    const texts = stream.pipeThrough(new TextDecoderStream());
    for await (const text of texts) {
      output += text;
      if (isShown) Deno.stdout.writeSync(new TextEncoder().encode(text));
    }
  };
  const status = await Promise.race([
    Promise.all([child.status, collect(child.stdout), collect(child.stderr)])
      .then(([status]) => status),
    // A process that the child started may hold on to its output.
    new Promise<undefined>((resolve) => {
      deadline.addEventListener("abort", () => resolve(undefined));
    }),
  ]);
  const counts = count(output, status?.success ?? false);
  const seconds = Math.round((performance.now() - begin) / 1000);
  const figures = Object.values(counts).some((figure) => figure > 0)
    ? `: ${write(counts)}`
    : "";
  const mark = counts.failed > 0 ? "✗" : "✓";
  console.log(`${mark} ${name}${figures} (${seconds} s)`);
  if (status === undefined) {
    console.log(`test: ${name} was stopped: no end after ${minutes} minutes`);
  }
  if (counts.failed > 0 && !isShown) console.log(pickFailures(output));
  return counts;
}

/** Counts the tests, without their steps, by the last line of `deno test`. */
function count(output: string, success: boolean): Counts {
  const lines = stripVTControlCharacters(output).matchAll(CLOSING_LINE);
  const [, passed = 0, failed = 0, skipped = 0] = ([...lines].at(-1) ?? [])
    .map(Number);
  // Such as a type error: no test has failed, because none has run.
  const unexplained = !success && failed === 0 ? 1 : 0;
  return { passed, failed: failed + unexplained, skipped };
}

/** Leaves out the tests that passed; of no test at all, all but the end. */
function pickFailures(output: string): string {
  const lines = output.trimEnd().split("\n");
  const errors = lines.indexOf(ERRORS);
  if (errors < 0) return lines.slice(-LAST_LINES).join("\n");
  const picked: string[] = [];
  let begin = 0;
  for (const [at, line] of lines.slice(0, errors).entries()) {
    const [, how] = TEST_ENDS.exec(line) ?? [];
    if (how === "FAILED") picked.push(...lines.slice(begin, at + 1));
    if (how !== undefined) begin = at + 1;
  }
  return [...picked, ...lines.slice(errors)].join("\n");
}

function summarize(results: readonly Counts[]): number {
  const sum = (of: (counts: Counts) => number): number =>
    results.reduce((total, counts) => total + of(counts), 0);
  const failed = sum((counts) => counts.failed);
  const passed = sum((counts) => counts.passed);
  const skipped = sum((counts) => counts.skipped);
  console.log(`\n${write({ passed, failed, skipped })}`);
  return failed > 0 ? 1 : 0;
}

function write({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed` +
    (skipped > 0 ? `, ${skipped} skipped` : "");
}

if (import.meta.main) Deno.exit(await main(Deno.args));
