/**
 * The rooms of the house and what each may import: a call goes down, never up
 * or across. `deno info` reads the imports; what it cannot see is held by
 * `deno lint`, with `.ci/lint_rules.ts`.
 */

import { assertEquals } from "@std/assert";
import { walk } from "@std/fs/walk";
import { fromFileUrl } from "@std/path/from-file-url";
import { relative } from "@std/path/relative";
import { toFileUrl } from "@std/path/to-file-url";
import { TemporaryDirectory } from "./temporary_directory.ts";

/** What the files of one room may import. */
interface Room {
  /** Rooms below, loaded together with this one. */
  readonly below: readonly string[];
  /** Rooms that are loaded only when they are needed: by `await import()`. */
  readonly lazily?: readonly string[];
  readonly packages: readonly string[];
}

const ROOMS: Readonly<Record<string, Room>> = {
  core: {
    below: [],
    packages: ["node:buffer", "node:crypto", "node:zlib"],
  },
  system: {
    below: ["core"],
    packages: ["node:fs"],
  },
  directory: {
    below: ["core", "system"],
    packages: ["@std/path"],
  },
  engines: {
    below: ["core", "system"],
    packages: [
      "@std/path",
      "node:crypto",
      "node:fs",
      "node:sqlite",
      "node:zlib",
    ],
  },
  migration: {
    below: ["core", "system"],
    packages: [],
  },
  session: {
    below: ["core"],
    packages: [],
  },
  device: {
    below: ["core"],
    packages: ["node:buffer"],
  },
  http: {
    below: [],
    packages: [],
  },
  manager: {
    below: ["core", "device", "session", "http"],
    packages: [],
  },
  frameworks: {
    below: ["session", "http", "manager"],
    packages: [],
  },
  cli: {
    below: [
      "core",
      "system",
      "directory",
      "engines",
      "migration",
      "manager",
    ],
    packages: ["@std/cli", "node:fs"],
  },
  demo: {
    below: [
      "core",
      "system",
      "directory",
      "engines",
      "session",
      "http",
      "manager",
      "cli",
    ],
    packages: [],
  },
  "mod.ts": {
    below: [
      "core",
      "directory",
      "engines",
      "migration",
      "http",
      "session",
      "manager",
      "frameworks",
    ],
    lazily: ["cli"],
    packages: [],
  },
};

/** Files that are started or imported by users; they reach every other file. */
const ENTRIES = ["mod.ts", "src/demo/main.ts"];

/** Packages that mod.ts reaches, lazily or not: a server that imports it gets these. */
const OUTSIDE = [
  "@std/cli",
  "@std/path",
  "node:buffer",
  "node:crypto",
  "node:fs",
  "node:sqlite",
  "node:zlib",
];

/** Those of them that are loaded only when they are needed. */
const LAZY = ["node:sqlite"];

/**
 * Packages of deno.json: the rooms and other directories that import them.
 * Examples import the package itself by its name.
 */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@latchkey/session": ["tests"],
  "@std/assert": ["tests"],
  "@std/cli": ["bench", "cli", "tests"],
  "@std/fs": ["bench", "tests"],
  "@std/path": ["bench", "directory", "engines", "tests"],
};

/** Projects of frameworks that resolve names in their own way. */
const PROJECTS = "tests/frameworks/projects/";

const VAGUE_NAMES = ["index", "utils", "helpers", "common", "types", "misc"];

/** A comment that switches off a lint rule that all of src keeps. */
const WAIVER =
  /deno-lint-ignore(?:-file|[^\n]*(?:no-explicit-any|house\/[a-z-]+))/g;

const ROOT = new URL("../", import.meta.url);

Deno.test("house: every file keeps to its room", async () => {
  assertEquals(await findBreaches(ROOT, ENTRIES), []);
});

Deno.test("house: mod.ts reaches the listed packages and no others", async () => {
  const graph = await readGraph(ROOT, ["mod.ts"]);
  const outside = [...graph.values()].flat()
    .filter(({ to }) => to === undefined);
  const packagesOf = (imports: readonly Import[]) =>
    [...new Set(imports.map(({ specifier }) => packageOf(specifier)))].sort();
  assertEquals(packagesOf(outside), OUTSIDE);
  const lazy = packagesOf(outside.filter(({ kind }) => kind === "lazy"));
  const eager = packagesOf(outside.filter(({ kind }) => kind !== "lazy"));
  assertEquals(lazy.filter((name) => !eager.includes(name)), LAZY);
});

Deno.test("house: the packages of deno.json are imported where the table says", async () => {
  const files = await Promise.all(
    ["src", "tests", "bench", ".ci"].map((name) => listFiles(ROOT, name)),
  );
  const graph = await readGraph(
    ROOT,
    [
      "mod.ts",
      ...files.flat().filter((path) =>
        path.endsWith(".ts") && !path.startsWith(PROJECTS)
      ),
    ],
  );
  const found = new Map<string, Set<string>>();
  for (const [path, imports] of graph) {
    for (const name of imports.map(({ specifier }) => packageOf(specifier))) {
      if (!name.startsWith("@")) continue;
      const places = found.get(name) ?? new Set();
      found.set(name, places.add(roomOf(path) ?? path.split("/")[0]!));
    }
  }
  assertEquals(
    Object.fromEntries(
      found.entries().map(([name, places]) => [name, [...places].sort()]),
    ),
    PACKAGES,
  );
});

Deno.test("house: a breach of any rule is found, and none in sound files", async () => {
  using tree = new TemporaryDirectory();
  const files = BREACHES.map(([path, source]) => [path, source] as const);
  tree.writeFiles({
    ...SOUND,
    ...Object.fromEntries(files),
    "src/http/unreached.ts": "",
  });
  const found = await findBreaches(toFileUrl(`${tree.path}/`), [
    ...Object.keys(SOUND),
    ...files.map(([path]) => path),
  ]);
  const expected = BREACHES.map(([path, , breach]) => `${path} ${breach}`);
  assertEquals(
    found.sort(),
    [...expected, "src/http/unreached.ts is not reached from any entry"].sort(),
  );
});

Deno.test("house: a cycle of files is found", async () => {
  using tree = new TemporaryDirectory();
  tree.writeFiles({
    "mod.ts": `export { b } from "./src/core/a.ts";`,
    "src/core/a.ts": `import { b } from "./b.ts";`,
    "src/core/b.ts": `export * from "./c.ts";`,
    "src/core/c.ts": `import type { A } from "./a.ts";`,
  });
  assertEquals(await findBreaches(toFileUrl(`${tree.path}/`), ["mod.ts"]), [
    "src/core/c.ts closes a cycle: src/core/a.ts → src/core/b.ts → src/core/c.ts → src/core/a.ts",
  ]);
});

/** Files in which everything is as it should be, however odd it looks. */
const SOUND: Readonly<Record<string, string>> = {
  "mod.ts": `/** \`import x from "../nowhere.ts"\` */
    export { a } from "./src/core/sound.ts";
    export type { B } from "./src/directory/sound_store.ts";
    if (import.meta.main) await import("./src/cli/sound.ts");`,
  "src/core/sound.ts":
    `import { hash } from "node:crypto"; // import "../system/x.ts"
    const url = "http://any"; const pattern = /["'\`/*]/; const half = 4 / 2;
    // deno-lint-ignore no-control-regex
    export const a = \`\${hash(\`\${url}"\`)} import("../system/b.ts")\`;`,
  "src/system/sound.ts": `import { open } from "node:fs";`,
  "src/system/deeper/sound.ts": `import { a } from "../../core/sound.ts";`,
  "src/directory/sound_store.ts": `import type { A } from "../core/sound.ts";
    import {
      b,
      // a comment: "
      c,
    } from "../system/sound.ts";
    import { join } from "@std/path/join";`,
  "src/cli/sound.ts": `import "../directory/sound_store.ts";`,
  "src/demo/sound.ts": `import "../cli/sound.ts";`,
  "src/http/sound.ts": "",
};

const BREACHES: readonly (readonly [
  path: string,
  source: string,
  breach: string,
])[] = [
  [
    "src/core/breach_1.ts",
    `import { lock } from "../system/sound.ts";`,
    "imports ../system/sound.ts: system is not below core",
  ],
  [
    "src/system/breach_1.ts",
    `import type { S } from "../directory/sound_store.ts";`,
    "imports ../directory/sound_store.ts: directory is not below system",
  ],
  [
    "src/directory/breach_1.ts",
    `export { c } from "../http/sound.ts";`,
    "imports ../http/sound.ts: http is not below directory",
  ],
  [
    "src/http/breach_1.ts",
    `export * from "../directory/sound_store.ts";`,
    "imports ../directory/sound_store.ts: directory is not below http",
  ],
  [
    "src/http/breach_2.ts",
    `const system = await import(\n  "../system/sound.ts"\n);`,
    "imports ../system/sound.ts: system is not below http",
  ],
  [
    "src/http/breach_3.ts",
    `type Disk = typeof import("../system/sound.ts");`,
    "imports ../system/sound.ts: system is not below http",
  ],
  [
    "src/cli/breach_1.ts",
    `import "../demo/sound.ts";`,
    "imports ../demo/sound.ts: demo is not below cli",
  ],
  [
    "src/demo/breach_1.ts",
    `import{a}from'../../mod.ts'`,
    "imports ../../mod.ts: nothing below imports the front door",
  ],
  [
    "src/cli/breach_2.ts",
    `import { a } from "@latchkey/session";`,
    "imports @latchkey/session: not a package of cli",
  ],
  [
    "src/cli/breach_3.ts",
    `import { a } from "../../tests/contract/contract.ts";`,
    "imports ../../tests/contract/contract.ts: not in src",
  ],
  [
    "src/core/breach_2.ts",
    `import { join } from "@std/path/join";`,
    "imports @std/path/join: not a package of core",
  ],
  [
    "src/core/breach_3.ts",
    `import { open } from "node:fs";`,
    "imports node:fs: not a package of core",
  ],
  [
    "src/directory/breach_2.ts",
    `import Redis from "npm:redis@5";`,
    "imports npm:redis@5: not a package of directory",
  ],
  [
    "src/system/utils.ts",
    "",
    "has a name that says nothing",
  ],
  [
    "src/system/fileLock.ts",
    "",
    "is not named in snake_case",
  ],
  [
    "src/attic/x.ts",
    "",
    "is in no room",
  ],
  [
    "src/x.ts",
    "",
    "is in no room",
  ],
  [
    "src/system/waived.ts",
    `// deno-lint-ignore no-explicit-any\nexport const a: any = 1;`,
    "says deno-lint-ignore no-explicit-any",
  ],
  [
    "src/system/waived_whole.ts",
    `// deno-lint-ignore-file`,
    "says deno-lint-ignore-file",
  ],
  [
    "src/system/waived_enum.ts",
    `// deno-lint-ignore eqeqeq house/no-enum`,
    "says deno-lint-ignore eqeqeq house/no-enum",
  ],
  [
    "src/system/helpers/x.ts",
    "",
    "has a name that says nothing",
  ],
];

/** One import or re-export of a file. */
interface Import {
  readonly specifier: string;
  /** The path of the file below the root; undefined for a package. */
  readonly to: string | undefined;
  readonly kind: "values" | "types" | "lazy";
}

/** The paths of files, and what each imports. */
type Graph = ReadonlyMap<string, readonly Import[]>;

/** What `deno info --json` prints, as far as it is read here. */
interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      /** Missing for what is imported for types only. */
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

/** Reads the imports of all files below the root that the entries reach. */
async function readGraph(
  root: URL,
  entries: readonly string[],
): Promise<Graph> {
  using directory = new TemporaryDirectory();
  const entry = directory.join("entry.ts");
  Deno.writeTextFileSync(
    entry,
    entries.map((path) => `import "${new URL(path, root)}";`).join("\n"),
  );
  // Without configuration and network, names of packages stay as written.
  const flags = ["--no-config", "--no-remote", "--no-npm"];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ...flags, entry],
    stderr: "inherit",
  }).output();
  assertEquals(success, true);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as Info;
  const pathOf = (url = ""): string | undefined =>
    url.startsWith(root.href) ? url.slice(root.href.length) : undefined;
  return new Map(modules.flatMap((module) => {
    const path = pathOf(module.specifier);
    if (path === undefined) return [];
    const imports = (module.dependencies ?? []).map((dependency): Import => ({
      specifier: dependency.specifier,
      to: pathOf((dependency.code ?? dependency.type)?.specifier),
      kind: dependency.code === undefined
        ? "types"
        : dependency.isDynamic
        ? "lazy"
        : "values",
    }));
    return [[path, imports]];
  }));
}

/** Returns the paths of all files in a directory, however deep. */
async function listFiles(root: URL, directory: string): Promise<string[]> {
  const entries = walk(new URL(directory, root), { includeDirs: false });
  const paths: string[] = [];
  for await (const { path } of entries) {
    paths.push(relative(fromFileUrl(root), path));
  }
  return paths;
}

/** Returns a sentence for every rule that one of the files breaks. */
async function findBreaches(
  root: URL,
  entries: readonly string[],
): Promise<string[]> {
  const graph = await readGraph(root, entries);
  const files = ["mod.ts", ...await listFiles(root, "src")];
  const breaches = files.flatMap((path) =>
    [
      ...checkName(path),
      ...checkImports(path, graph.get(path)),
      ...checkWaivers(Deno.readTextFileSync(new URL(path, root))),
    ].map((breach) => `${path} ${breach}`)
  );
  return [...breaches, ...findCycles(graph)];
}

function roomOf(path: string): string | undefined {
  if (path === "mod.ts") return path;
  const [, room] = path.match(/^src\/([^/]+)\/./) ?? [];
  return room !== undefined && Object.hasOwn(ROOMS, room) ? room : undefined;
}

function packageOf(specifier: string): string {
  return specifier.replace(/^(@[^/]+\/[^/]+)\/.*/, "$1");
}

function* checkName(path: string): Generator<string> {
  if (roomOf(path) === undefined) yield "is in no room";
  const names = path.replace(/\.ts$/, "").split("/");
  if (!names.every((name) => /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name))) {
    yield "is not named in snake_case";
  }
  if (names.some((name) => VAGUE_NAMES.includes(name))) {
    yield "has a name that says nothing";
  }
}

function* checkImports(
  path: string,
  imports: readonly Import[] | undefined,
): Generator<string> {
  if (imports === undefined) yield "is not reached from any entry";
  const from = roomOf(path);
  if (from === undefined) return;
  const room = ROOMS[from]!;
  for (const { specifier, to, kind } of imports ?? []) {
    const breach = to === undefined
      ? room.packages.includes(packageOf(specifier))
        ? undefined
        : `not a package of ${from}`
      : checkArrow(from, to, kind);
    if (breach !== undefined) yield `imports ${specifier}: ${breach}`;
  }
}

function checkArrow(
  from: string,
  path: string,
  kind: Import["kind"],
): string | undefined {
  const { below, lazily } = ROOMS[from]!;
  const to = roomOf(path);
  if (to === "mod.ts") return "nothing below imports the front door";
  if (to === undefined) return "not in src";
  if (lazily?.includes(to)) {
    return kind === "lazy" ? undefined : `${to} only by await import()`;
  }
  return to === from || below.includes(to)
    ? undefined
    : `${to} is not below ${from}`;
}

function* checkWaivers(source: string): Generator<string> {
  for (const [waiver] of source.matchAll(WAIVER)) yield `says ${waiver}`;
}

function findCycles(graph: Graph): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const cycle = [...trail.slice(start), path].join(" → ");
      found.push(`${trail.at(-1)} closes a cycle: ${cycle}`);
    } else if (!done.has(path)) {
      for (const { to } of graph.get(path) ?? []) {
        if (to !== undefined) visit(to, [...trail, path]);
      }
      done.add(path);
    }
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}
