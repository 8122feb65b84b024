import { fromFileUrl } from "@std/path/from-file-url";
import type { Profile } from "./contestant.ts";

/** A contestant in another language, which has a runner of its own. */
export interface Foreign extends Profile {
  /** Finds the interpreter; throws when it is not there, or lacks something. */
  find(): Promise<{ readonly program: string; readonly version: string }>;
  /** What the interpreter is given before the workload. */
  readonly args: readonly string[];
}

const SYNCHRONOUS = "synchronous: 32 flows are one after the other";

const PHP_OPTIONS = {
  save_handler: "files",
  use_cookies: 0,
  cache_limiter: "",
  gc_probability: 0,
};

const php: Foreign = {
  name: "PHP files",
  kind: "peer",
  note: "the `files` handler with its defaults, without cookies; locks, and " +
    "writes in place (empties what is to become shorter); a load is `session_start` and `session_write_close`, " +
    "which also touches; cleanup: `session_gc`; " + SYNCHRONOUS,
  runtimes: ["PHP"],
  packages: {},
  find: () =>
    find(["php"], ["-r", "session_abort(); echo PHP_VERSION;"], {
      version: /^\d\S*$/,
      missing: "php with sessions (Debian: php-cli)",
    }),
  args: [
    ...Object.entries(PHP_OPTIONS).flatMap(([name, value]) => [
      "-d",
      `session.${name}=${value}`,
    ]),
    pathOf("runner.php"),
  ],
};

/** Those that are not packages of npm. */
export const FOREIGN: readonly Foreign[] = [
  { ...php, args: [...php.args, "files"] },
  {
    ...php,
    name: "PHP files, read_and_close",
    note:
      "the same; `session_start` with `read_and_close`, which does not touch",
    columns: ["load"],
    args: [...php.args, "read_and_close"],
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
      find(["python3", "/usr/bin/python3"], [
        "-c",
        "import django, platform; " +
        "print(platform.python_version(), 'with Django', django.get_version())",
      ], {
        version: /^\d.* with Django \d\S*$/,
        missing: "python3 with Django (Debian: python3-django)",
      }),
    args: [pathOf("runner.py"), "file"],
  },
];

/** Finds the first of some programs that answers with a version. */
async function find(
  programs: readonly string[],
  args: string[],
  { version, missing }: { version: RegExp; missing: string },
): Promise<{ program: string; version: string }> {
  for (const program of programs) {
    try {
      const { success, stdout } = await new Deno.Command(program, {
        args,
        stderr: "null",
      }).output();
      const text = new TextDecoder().decode(stdout).trim();
      if (success && version.test(text)) return { program, version: text };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(`there is no ${missing}`);
}

function pathOf(file: string): string {
  return fromFileUrl(new URL(file, import.meta.url));
}
