/** What a command leaves that is ended in the middle, and what it says. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { main } from "../../src/cli/main.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { recordOf } from "../constants.ts";
import { type Child, spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const MOST = 3_000;
/** The first line of an export. */
const HEAD = '{"type":"latchkey export 1","data":true}';

/** A database with sessions, and a directory that they may move to. */
class Scene implements AsyncDisposable {
  readonly #place = new TemporaryDirectory();
  readonly file: string = this.#place.join("sessions.db");
  readonly directory: string = this.#place.join("sessions");
  readonly store: SqliteSessionStore = new SqliteSessionStore(this.file);

  static async make(): Promise<Scene> {
    const scene = new Scene();
    const name = "x".repeat(100);
    for (let n = 0; n < MOST; n++) {
      const id = String(n).padStart(32, "0");
      await scene.store.create(id, recordOf({}, { user: `${name}${n}` }));
    }
    return scene;
  }

  /** Starts a command on the database. */
  run(...[command, ...args]: [string, ...string[]]): Child {
    return spawn("mod.ts", [command, this.file, ...args], {
      paths: [this.#place.path],
    });
  }

  /** Counts the sessions that are still in the database. */
  async count(): Promise<number> {
    return (await Array.fromAsync(this.store.entries())).length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.store[Symbol.dispose]();
    this.#place[Symbol.dispose]();
    return Promise.resolve();
  }
}

Deno.test("migrate between two stores that answer at once ends at Ctrl-C, says how far it came, and goes on when called again", async () => {
  await using scene = await Scene.make();
  const to = `directory:${scene.directory}`;
  await using child = scene.run("migrate", to);
  while (await scene.count() === MOST) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  // It is stopped, so that it does not end before the signal arrives.
  child.kill("SIGSTOP");
  assert(await scene.count() > 0, "it was not in the middle");
  child.kill("SIGINT");
  child.kill("SIGCONT");
  const { code, stdout, stderr } = await child.end();
  assertEquals([code, stdout], [130, ""]);
  assertMatch(
    stderr,
    /^Interrupted: \d+ sessions moved, others may remain\n$/,
  );
  const moved = Number(/\d+/.exec(stderr)![0]);
  const left = await scene.count();
  assert(moved + left === MOST || moved + left === MOST - 1, `${left}`);
  const rest = await scene.run("migrate", to).end();
  assertEquals(rest.stdout, `Moved: ${left}\n`, rest.stderr);
  const listed = await spawn("mod.ts", ["list", to, "--json"], {
    paths: [scene.directory],
  }).end();
  assertEquals(listed.stdout.trimEnd().split("\n").length, MOST);
});

Deno.test("list and export end without a word when nothing reads their output", async () => {
  await using scene = await Scene.make();
  for (const args of [["list"], ["export", "--data"]] as const) {
    const [command, ...rest] = args;
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt"],
        ...[`--allow-read=${scene.file}`, `--allow-write=${scene.file}`],
        new URL("../../mod.ts", import.meta.url).href,
        ...[command, scene.file, ...rest],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const reader = process.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const stderr = await process.stderr.text();
    assertEquals([(await process.status).code, stderr], [141, ""]);
  }
});

Deno.test("a help ends without a word when nothing reads it, and says why it cannot be written", async () => {
  for (
    const [error, code, said] of [
      [new Deno.errors.BrokenPipe("Broken pipe"), 141, ""],
      [new Error("No space left"), 1, "No space left\n"],
    ] as const
  ) {
    for (const args of [["--help"], ["--version"], ["list", "--help"]]) {
      let stderr = "";
      const isTerminal = () => false;
      const result = await main(args, {
        stdin: new ReadableStream(),
        stdout: {
          isTerminal,
          writeSync() {
            throw error;
          },
        },
        stderr: {
          isTerminal,
          writeSync(bytes) {
            stderr += new TextDecoder().decode(bytes);
            return bytes.length;
          },
        },
      });
      assertEquals([result, stderr], [code, said], args.join(" "));
    }
  }
});

Deno.test("import names each session that the store refuses, takes the others, and ends with 1", async () => {
  using place = new TemporaryDirectory();
  const [file, kv] = [place.join("sessions.db"), `kv:${place.join("kv")}`];
  {
    using store = new SqliteSessionStore(file);
    for (const name of "abcd") {
      const large = "bd".includes(name) ? "x".repeat(70_000) : "";
      await store.save(name.repeat(32), recordOf({ large }));
    }
  }
  const run = (...args: string[]) =>
    spawn("mod.ts", args, { paths: [place.path] });
  const exported = await run("export", file, "--data").end();
  await using importing = run("import", kv);
  await importing.writeLine(exported.stdout.trimEnd());
  const { code, stdout, stderr } = await importing.end();
  assertEquals([code, stdout], [
    1,
    "Imported: 2, Already there: 0, Expired: 0, Refused: 2\n",
  ]);
  const said = stderr.trimEnd().split("\n").sort();
  assertEquals(said.length, 2);
  assertMatch(
    said[0]!,
    /^Cannot import line [2-5], session b{32}: .* more than 65536/,
  );
  assertMatch(
    said[1]!,
    /^Cannot import line [2-5], session d{32}: .* more than 65536/,
  );
});

Deno.test("import into a store that fails in the middle says where, and what is done", async () => {
  using place = new TemporaryDirectory();
  const directory = place.join("sessions");
  const lineOf = (id: string) =>
    JSON.stringify({ id, lastAccess: Date.now(), record: recordOf() });
  const steps = [
    () => `${HEAD}\n${lineOf("a".repeat(32))}\n`,
    () => {
      // What came before is imported when more is read.
      Deno.removeSync(directory, { recursive: true });
      return `${lineOf("b".repeat(32))}\n${lineOf("c".repeat(32))}\n`;
    },
  ];
  const { code, stdout, stderr } = await importInto(
    `directory:${directory}`,
    () => steps.shift()?.(),
  );
  assertEquals([code, stdout], [1, ""]);
  assertMatch(
    stderr,
    /^Cannot import line 3: .*: it was removed .* \(1 sessions imported\)\n$/,
  );
});

Deno.test("import makes no store where the first line is not that of an export", async () => {
  using place = new TemporaryDirectory();
  for (const kind of ["directory", "sqlite"]) {
    for (
      const [text, reason] of [
        ["", "there is none"],
        ["nonsense\n", "it is not a JSON object"],
        ['{"type":"other"}\n', "it is not the first line of an export"],
        [HEAD.replace("true", "false"), "it was made without --data"],
      ] as const
    ) {
      const texts = [text];
      const { code, stdout, stderr } = await importInto(
        `${kind}:${place.join("new")}`,
        () => texts.shift(),
      );
      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(stderr, "Cannot import line 1: ");
      assertStringIncludes(stderr, reason);
      assertEquals(place.list(), []);
    }
  }
});

Deno.test("migrate that fails in the middle says what is done", async () => {
  using place = new TemporaryDirectory();
  const [file, kv] = [place.join("sessions.db"), `kv:${place.join("kv")}`];
  {
    using store = new SqliteSessionStore(file);
    await store.save("a".repeat(32), recordOf({}));
    await store.save("b".repeat(32), recordOf({ large: "x".repeat(70_000) }));
  }
  const { code, stderr } = await spawn("mod.ts", ["migrate", file, kv], {
    paths: [place.path],
  }).end();
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /more than 65536 \([01] sessions moved, others may remain\)\n$/,
  );
});

Deno.test("import ends at Ctrl-C while it waits for more, and says what it has added", async () => {
  await using scene = await Scene.make();
  const exported = await scene.run("export", "--data").end();
  const [head = "", ...lines] = exported.stdout.split("\n");
  using place = new TemporaryDirectory();
  const to = `sqlite:${place.join("new.db")}`;
  await using child = spawn("mod.ts", ["import", to], { paths: [place.path] });
  await child.writeLine(head);
  await child.writeLine(lines.slice(0, 10).join("\n"));
  {
    using store = new SqliteSessionStore(place.join("new.db"));
    while ((await Array.fromAsync(store.entries())).length < 10) {
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  child.kill("SIGINT");
  // Its end, and not that of what it reads.
  assertEquals(await child.readLine(), undefined);
  const { code, stderr } = await child.end();
  assertEquals([code, stderr], [
    130,
    "Interrupted: 10 sessions imported, others were not\n",
  ]);
  // The same again, whole; and cut off.
  const again = spawn("mod.ts", ["import", to], { paths: [place.path] });
  await again.writeLine(exported.stdout.trimEnd());
  assertEquals(
    (await again.end()).stdout,
    `Imported: ${MOST - 10}, Already there: 10, Expired: 0\n`,
  );
  const cut = spawn("mod.ts", ["import", to], { paths: [place.path] });
  await cut.writeLine([head, ...lines.slice(0, 10)].join("\n"));
  const ended = await cut.end();
  assertEquals([ended.code, ended.stderr], [
    1,
    "The export was cut off: its last line is missing\n",
  ]);
  const torn = spawn("mod.ts", ["import", to], { paths: [place.path] });
  await torn.writeLine([head, ...lines.slice(1).filter(Boolean)].join("\n"));
  const tornEnd = await torn.end();
  assertEquals([tornEnd.code, tornEnd.stderr], [
    1,
    `The export is not as it was written: it says ${MOST} sessions, and has ${
      MOST - 1
    }\n`,
  ]);
});

Deno.test("import refuses what no export wrote, and names the line", async () => {
  using place = new TemporaryDirectory();
  const to = `sqlite:${place.join("new.db")}`;
  const id = "a".repeat(32);
  for (
    const [text, reason] of [
      ["", "line 1: there is none"],
      ["nonsense", "line 1: it is not a JSON object"],
      ['{"type":"other"}', "line 1: it is not the first line of an export"],
      [`${HEAD}\n{}`, "line 2: it is not a session"],
      [
        `${HEAD}\n{"id":"../x","lastAccess":1,"record":{}}`,
        "line 2: it is not",
      ],
      [
        `${HEAD}\n{"id":"${id}","lastAccess":1,"record":{"createdAt":-1,"data":{}}}`,
        "line 2: of its record createdAt is not whole milliseconds",
      ],
      [
        `${HEAD}\n{"id":"${id}","lastAccess":1,"record":{"format":2,"createdAt":1,"data":{}}}`,
        "format is not 1",
      ],
    ] as const
  ) {
    const child = spawn("mod.ts", ["import", to], { paths: [place.path] });
    if (text !== "") await child.writeLine(text);
    const { code, stderr } = await child.end();
    assertEquals(code, 1, text);
    assert(stderr.includes(reason), stderr);
  }
});

/** Imports what is read piece by piece, in this process. */
async function importInto(
  to: string,
  read: () => string | undefined,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const said = { stdout: "", stderr: "" };
  const outputTo = (name: keyof typeof said) => ({
    isTerminal: () => false,
    writeSync(bytes: Uint8Array) {
      said[name] += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  });
  const stdin = new ReadableStream<Uint8Array>({
    pull(controller) {
      const text = read();
      if (text === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(text));
    },
  }, { highWaterMark: 0 });
  const code = await main(["import", to], {
    stdin,
    stdout: outputTo("stdout"),
    stderr: outputTo("stderr"),
  });
  return { code, ...said };
}

/** Runs a command in a terminal. */
const SCRIPT = ["script", "--quiet", "--return", "--command"];
const hasScript = await canRun("script");

Deno.test({
  name: `a label cannot move the cursor of a terminal${
    hasScript ? "" : " (skipped: no script here)"
  }`,
  ignore: !hasScript,
  fn: async () => {
    using place = new TemporaryDirectory();
    const path = place.join("sessions.db");
    using store = new SqliteSessionStore(path);
    const label = "\u001b[2J\u009b2J\u202e\r\n";
    await store.save("a".repeat(32), recordOf({}, { user: "ann", label }));
    const mod = new URL("../../mod.ts", import.meta.url).pathname;
    for (
      const words of [`list ${path}`, `list ${path} --json`, `export ${path}`]
    ) {
      const command =
        `${Deno.execPath()} run --quiet --allow-read=${path} --allow-write=${path} ${mod} ${words}`;
      const { stdout } = await new Deno.Command(SCRIPT[0]!, {
        args: [...SCRIPT.slice(1), command, "/dev/null"],
        stdin: "null",
        env: { NO_COLOR: "1" },
      }).output();
      const text = new TextDecoder().decode(stdout).replaceAll("\r\n", "\n");
      assert(text.includes("\\u001b[2J\\u009b2J\\u202e"), text);
      // deno-lint-ignore no-control-regex
      assert(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/.test(text));
    }
  },
});

async function canRun(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["--version"], stdout: "null" })
      .output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
