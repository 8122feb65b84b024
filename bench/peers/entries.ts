import { fromFileUrl } from "@std/path/from-file-url";
import { type Command, denoCommand, readProgram } from "../harness/child.ts";
import { installForNode } from "../harness/install_for_node.ts";
import { adapters as npm } from "./adapters/npm.js";
import { adapters as ours } from "./adapters/ours.ts";
import type { Adapter, PeerProfile, Runtime } from "./contestant.ts";
import type { Result } from "./results.ts";

/** One contestant under one runtime. */
export interface Entry {
  readonly profile: PeerProfile;
  readonly runtime: Runtime;
  readonly label: string;
  readonly command: Command;
  readonly result: Result;
}

/** A contestant in another language, which has a runner of its own. */
interface Foreign extends PeerProfile {
  readonly runtimes: readonly [Runtime];
  /** Finds the interpreter; throws when it, or what it needs, is missing. */
  find(): Promise<{ readonly program: string; readonly version: string }>;
  /** What the interpreter gets before the workload. */
  readonly args: readonly string[];
}

const SYNCHRONOUS = "synchronous: 32 flows are one after the other";

const PHP: Foreign = {
  name: "PHP files",
  kind: "peer",
  note: "the `files` handler with its defaults, without cookies; locks, and " +
    "writes in place (empties what is to become shorter); a load is `session_start` and `session_write_close`, " +
    "which also touches; cleanup: `session_gc`; " + SYNCHRONOUS,
  runtimes: ["PHP"],
  packages: {},
  find: () =>
    findProgram(
      ["php"],
      ["-r", "session_abort(); echo PHP_VERSION;"],
      /^\d\S*$/,
      "php with sessions (Debian: php-cli)",
    ),
  args: [
    ...[
      "save_handler=files",
      "use_cookies=0",
      "cache_limiter=",
      "gc_probability=0",
    ].flatMap((option) => ["-d", `session.${option}`]),
    pathOf("runner.php"),
    "files",
  ],
};

const FOREIGN: readonly Foreign[] = [
  PHP,
  {
    ...PHP,
    name: "PHP files, read_and_close",
    note:
      "the same; `session_start` with `read_and_close`, which does not touch",
    columns: ["load"],
    args: [...PHP.args.slice(0, -1), "read_and_close"],
  },
  {
    name: "Django file",
    kind: "peer",
    note: "`django.contrib.sessions.backends.file` with its defaults; signs, " +
      "renames, no lock, no touch; cleanup: `clear_expired`; " + SYNCHRONOUS,
    runtimes: ["Python"],
    packages: {},
    columns: ["load", "save", "update", "mixed", "race", "clean"],
    find: () =>
      findProgram(
        ["python3", "/usr/bin/python3"],
        [
          "-c",
          "import django, platform; print(platform.python_version(), " +
          "'with Django', django.get_version())",
        ],
        /^\d.* with Django \d\S*$/,
        "python3 with Django (Debian: python3-django)",
      ),
    args: [pathOf("runner.py"), "file"],
  },
];

/**
 * Finds what can take part: under Deno all, elsewhere what is installed.
 *
 * @param base An empty directory.
 * @param workload The file with the workload.
 * @param only Of the peers, only those whose name contains this.
 */
export async function enter(
  base: string,
  workload: string,
  only: string,
  skip: (name: string, error: unknown) => void,
): Promise<{ entries: Entry[]; runtimes: string[] }> {
  const isWanted = ({ kind, name }: PeerProfile) =>
    kind !== "peer" && kind !== "database" || name.includes(only);
  const runner = new URL("runner.ts", import.meta.url);
  const entries: Entry[] = [];
  const runtimes: string[] = [];
  for (
    const [module, adapters] of [["ours.ts", ours], ["npm.js", npm]] as const
  ) {
    for (const adapter of adapters.filter(isWanted)) {
      // Node and PHP look at no permissions; with any list of them Deno looks
      // up each part of a path at each call, which is dearer than some calls.
      const args = [`adapters/${module}`, adapter.name, workload];
      entries.push(toEntry(adapter, "Deno", denoCommand(runner, args)));
    }
  }

  const forNode = npm.filter(isWanted);
  const directory = `${base}/node`;
  try {
    if (forNode.length > 0) {
      runtimes.push(await installPeers(directory, forNode));
      for (const adapter of forNode) {
        const args = ["npm.mjs", adapter.name, workload];
        const command = ["node", `${directory}/runner.mjs`, ...args] as const;
        entries.push(toEntry(adapter, "Node", command));
      }
    }
  } catch (error) {
    skip("everything on Node", error);
  }

  for (const foreign of FOREIGN.filter(isWanted)) {
    const { name, runtimes: [runtime], args } = foreign;
    try {
      const { program, version } = await foreign.find();
      runtimes.push(`${runtime} ${version}`);
      const command = [program, ...args, workload] as const;
      entries.push(toEntry(foreign, runtime, command));
    } catch (error) {
      skip(name, error);
    }
  }
  return { entries, runtimes };
}

async function installPeers(
  directory: string,
  adapters: readonly Adapter[],
): Promise<string> {
  await Deno.mkdir(directory);
  const packages = Object.assign({}, ...adapters.map((it) => it.packages));
  const modules = [
    "runner.ts",
    "values.ts",
    "adapters/npm.js",
    "../ids.ts",
    "../harness/turns.ts",
    "../harness/import_package.ts",
  ].map((path) => new URL(path, import.meta.url));
  return await installForNode(directory, packages, modules);
}

/** Finds the first of some programs that prints a version. */
async function findProgram(
  programs: readonly string[],
  args: readonly string[],
  version: RegExp,
  missing: string,
): Promise<{ program: string; version: string }> {
  for (const program of programs) {
    const text = await readProgram(program, args);
    if (text !== undefined && version.test(text)) {
      return { program, version: text };
    }
  }
  throw new Error(`${missing} is not installed`);
}

function toEntry(
  profile: PeerProfile,
  runtime: Runtime,
  command: Command,
): Entry {
  const { name, kind, note, packages } = profile;
  return {
    profile,
    runtime,
    label: `${name}, ${runtime}`,
    command,
    result: { name, runtime, kind, note, packages, cells: {} },
  };
}

function pathOf(file: string): string {
  return fromFileUrl(new URL(file, import.meta.url));
}
