/**
 * The rooms of the house and what each may import: a call goes down, never up
 * or across. Doc comments are not code here, so examples import what they like.
 */

import { assertEquals } from "@std/assert";
import { findImports, type Import, toCode } from "./source_code.ts";

/** What the files of one room may use. */
interface Room {
  /** Rooms below, loaded together with this one. */
  readonly below: readonly string[];
  /** Rooms that are loaded only when they are needed: by `await import()`. */
  readonly lazily?: readonly string[];
  readonly packages: readonly string[];
  /** Works on values only: no file, no network, no timer. */
  readonly pure?: boolean;
}

const ROOMS: Readonly<Record<string, Room>> = {
  core: {
    below: [],
    packages: ["node:crypto", "node:zlib"],
    pure: true,
  },
  disk: {
    below: ["core"],
    packages: ["@std/path", "@std/fs", "node:fs"],
  },
  stores: {
    below: ["core", "disk"],
    packages: ["@std/path", "@std/fs"],
  },
  engines: {
    below: ["core", "disk", "stores"],
    packages: ["node:crypto", "node:zlib"],
  },
  http: {
    below: ["core"],
    packages: [],
  },
  demo: {
    below: ["core", "disk", "stores", "engines", "http"],
    packages: [
      "@std/path",
      "@std/fs",
      "@std/cli",
      "node:sqlite",
      "npm:redis@^5.10.0",
      "npm:pg@^8.16.0",
    ],
  },
  cli: {
    below: ["core", "disk", "stores", "engines"],
    lazily: ["demo"],
    packages: ["@std/path", "@std/fs", "@std/cli", "node:sqlite"],
  },
  "mod.ts": {
    below: ["core", "disk", "stores", "engines", "http"],
    lazily: ["cli"],
    packages: [],
  },
};

const MAX_LINES = 300;
const VAGUE_NAMES = ["index", "utils", "helpers", "common", "types", "misc"];
const PURE_MEANS_WITHOUT =
  /\b(?:Deno|setTimeout|setInterval|fetch|localStorage)\b(?=\s*[.(])/g;

Deno.test("house: every file keeps to its room", async () => {
  assertEquals(findBreaches(await readSources()), []);
});

Deno.test("house: a breach of any rule is found", () => {
  for (const { path, source, breach } of BREACHES) {
    const found = findBreaches(new Map([[path, source], ...SOUND]));
    assertEquals(found, [`${path} ${breach}`], source);
  }
});

Deno.test("house: sound files are no breach", () => {
  assertEquals(findBreaches(new Map(SOUND)), []);
});

Deno.test("house: a cycle of files is found", () => {
  const sources = new Map([
    ["src/core/a.ts", `import { b } from "./b.ts";`],
    ["src/core/b.ts", `export * from "./c.ts";`],
    ["src/core/c.ts", `import type { A } from "./a.ts";`],
  ]);
  assertEquals(findBreaches(sources), [
    "src/core/c.ts closes a cycle: src/core/a.ts → src/core/b.ts → src/core/c.ts → src/core/a.ts",
  ]);
});

/** Files in which everything is as it should be, however odd it looks. */
const SOUND: [path: string, source: string][] = [
  [
    "mod.ts",
    `/** \`import x from "../nowhere.ts"\` */
    export { a } from "./src/core/sound.ts";
    export type { B } from "./src/stores/sound_store.ts";
    if (import.meta.main) await import("./src/cli/sound.ts");`,
  ],
  [
    "src/core/sound.ts",
    `import { hash } from "node:crypto"; // import "../disk/x.ts"
    const url = "http://any"; const pattern = /["'\`/*]/; const half = 4 / 2;
    /* enum, export default, : any, Deno.open() */
    export const a = \`\${hash(\`\${url}"\`)} as any import("../disk/b.ts")\`;
    export const any = { fromDeno: pattern, enumerable: half };`,
  ],
  ["src/disk/sound.ts", `import { join } from "@std/path";`],
  [
    "src/stores/sound_store.ts",
    `import type { A } from "../core/sound.ts";
    import {
      b,
      // a comment: "
      c,
    } from "../disk/sound.ts";
    import { walk } from "@std/fs/walk";`,
  ],
  ["src/cli/sound.ts", `await import("../demo/sound.ts");`],
  ["src/demo/sound.ts", `import "../http/sound.ts";`],
  ["src/http/sound.ts", `setTimeout(() => {}, 1);`],
];

const BREACHES: { path: string; source: string; breach: string }[] = [
  {
    path: "src/core/x.ts",
    source: `import { lock } from "../disk/sound.ts";`,
    breach: "imports ../disk/sound.ts: disk is not below core",
  },
  {
    path: "src/disk/x.ts",
    source: `import type { S } from "../stores/sound_store.ts";`,
    breach: "imports ../stores/sound_store.ts: stores is not below disk",
  },
  {
    path: "src/stores/x.ts",
    source: `export { c } from "../http/sound.ts";`,
    breach: "imports ../http/sound.ts: http is not below stores",
  },
  {
    path: "src/http/x.ts",
    source: `export * from "../stores/sound_store.ts";`,
    breach: "imports ../stores/sound_store.ts: stores is not below http",
  },
  {
    path: "src/http/x.ts",
    source: `const disk = await import(\n  "../disk/sound.ts"\n);`,
    breach: "imports ../disk/sound.ts: disk is not below http",
  },
  {
    path: "src/http/x.ts",
    source: `type Disk = typeof import("../disk/sound.ts");`,
    breach: "imports ../disk/sound.ts: disk is not below http",
  },
  {
    path: "src/cli/x.ts",
    source: `import "../demo/sound.ts";`,
    breach: "imports ../demo/sound.ts: demo only by await import()",
  },
  {
    path: "src/demo/x.ts",
    source: `import{a}from'../../mod.ts'`,
    breach: "imports ../../mod.ts: nothing below imports the front door",
  },
  {
    path: "src/cli/x.ts",
    source: `import { a } from "@latchkey/session";`,
    breach: "imports @latchkey/session: not a package of cli",
  },
  {
    path: "src/cli/x.ts",
    source: `import { a } from "../../tests/stores/contract.ts";`,
    breach: "imports ../../tests/stores/contract.ts: not in src",
  },
  {
    path: "src/core/x.ts",
    source: `import { join } from "@std/path/join";`,
    breach: "imports @std/path/join: not a package of core",
  },
  {
    path: "src/core/x.ts",
    source: `import { open } from "node:fs";`,
    breach: "imports node:fs: not a package of core",
  },
  {
    path: "src/stores/x.ts",
    source: `import Redis from "npm:redis@5";`,
    breach: "imports npm:redis@5: not a package of stores",
  },
  {
    path: "src/disk/x.ts",
    source: "const name = 1; await import(`./${name}.ts`);",
    breach: "imports something that only running it tells",
  },
  {
    path: "src/core/x.ts",
    source: `export const now = (): number => Deno.uid() ?? 0;`,
    breach: "uses Deno: core works on values only",
  },
  {
    path: "src/core/x.ts",
    source: `setTimeout(() => {}, 5);`,
    breach: "uses setTimeout: core works on values only",
  },
  {
    path: "src/disk/x.ts",
    source: `export const a = (b as any).c;`,
    breach: "says any",
  },
  {
    path: "src/disk/x.ts",
    source: `export const a: Record<string, any> = {};`,
    breach: "says any",
  },
  {
    path: "src/disk/x.ts",
    source: `export const enum Colour { Red }`,
    breach: "declares an enum",
  },
  {
    path: "src/disk/x.ts",
    source: `export default function lock(): void {}`,
    breach: "has a default export",
  },
  {
    path: "src/disk/x.ts",
    source: `const a = 1;\nexport { a as default };`,
    breach: "has a default export",
  },
  {
    path: "src/disk/utils.ts",
    source: "",
    breach: "has a name that says nothing",
  },
  {
    path: "src/disk/fileLock.ts",
    source: "",
    breach: "is not named in snake_case",
  },
  {
    path: "src/misc/x.ts",
    source: "",
    breach: "is in no room",
  },
  {
    path: "src/x.ts",
    source: "",
    breach: "is in no room",
  },
  {
    path: "src/disk/x.ts",
    source: "// a line\n".repeat(MAX_LINES),
    breach: `has ${MAX_LINES} lines: look for the second idea and name it`,
  },
];

async function readSources(): Promise<Map<string, string>> {
  const root = new URL("../", import.meta.url);
  const sources = new Map<string, string>();
  const read = async (path: string): Promise<void> => {
    sources.set(path, await Deno.readTextFile(new URL(path, root)));
  };
  const visit = async (directory: string): Promise<void> => {
    for await (const entry of Deno.readDir(new URL(directory, root))) {
      const path = `${directory}${entry.name}`;
      if (entry.isDirectory) await visit(`${path}/`);
      else if (/\.[cm]?[jt]sx?$/.test(path)) await read(path);
    }
  };
  await read("mod.ts");
  await visit("src/");
  return sources;
}

/** Returns a sentence for every rule that one of the files breaks. */
function findBreaches(sources: ReadonlyMap<string, string>): string[] {
  const arrows = new Map<string, string[]>();
  const breaches: string[] = [];
  for (const [path, source] of sources) {
    const code = toCode(source);
    const imports = findImports(code);
    arrows.set(
      path,
      imports.flatMap(({ to }) => to === undefined ? [] : resolve(path, to)),
    );
    const found = [
      ...checkName(path),
      ...checkImports(path, imports),
      ...checkWords(path, code.text),
      ...checkLength(source),
    ];
    breaches.push(...found.map((breach) => `${path} ${breach}`));
  }
  return [...breaches, ...findCycles(arrows)];
}

function roomOf(path: string): string | undefined {
  if (path === "mod.ts") return path;
  const [, room] = path.match(/^src\/([^/]+)\/[^/]+$/) ?? [];
  return room !== undefined && Object.hasOwn(ROOMS, room) ? room : undefined;
}

function* checkName(path: string): Generator<string> {
  if (roomOf(path) === undefined) yield "is in no room";
  const name = path.split("/").at(-1)!.replace(/\.ts$/, "");
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) {
    yield "is not named in snake_case";
  }
  if (VAGUE_NAMES.includes(name)) yield "has a name that says nothing";
}

function* checkImports(
  path: string,
  imports: readonly Import[],
): Generator<string> {
  const from = roomOf(path);
  if (from === undefined) return;
  const room = ROOMS[from]!;
  for (const { to, lazy } of imports) {
    if (to === undefined) {
      yield "imports something that only running it tells";
    } else if (!/^\.{0,2}\//.test(to)) {
      const allowed = room.packages.some((name) =>
        to === name || to.startsWith(`${name}/`)
      );
      if (!allowed) yield `imports ${to}: not a package of ${from}`;
    } else {
      const target = resolve(path, to);
      const below = roomOf(target);
      if (target === "mod.ts") {
        yield `imports ${to}: nothing below imports the front door`;
      } else if (below === undefined) {
        yield `imports ${to}: not in src`;
      } else if (room.lazily?.includes(below)) {
        if (!lazy) yield `imports ${to}: ${below} only by await import()`;
      } else if (below !== from && !room.below.includes(below)) {
        yield `imports ${to}: ${below} is not below ${from}`;
      }
    }
  }
}

function* checkWords(path: string, code: string): Generator<string> {
  const from = roomOf(path);
  if (from !== undefined && ROOMS[from]!.pure) {
    for (const [name] of code.matchAll(PURE_MEANS_WITHOUT)) {
      yield `uses ${name}: ${from} works on values only`;
    }
  }
  if (/(?:[:<,|&]|\bas|\bextends|=>)\s*any\b(?!\s*[:(.=])/.test(code)) {
    yield "says any";
  }
  if (/\benum\s+[A-Za-z_$]/.test(code)) yield "declares an enum";
  if (/\bexport\s+default\b|\bas\s+default\b/.test(code)) {
    yield "has a default export";
  }
}

function* checkLength(source: string): Generator<string> {
  const lines = source.replace(/\n$/, "").split("\n").length;
  if (lines >= MAX_LINES) {
    yield `has ${lines} lines: look for the second idea and name it`;
  }
}

function findCycles(arrows: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const cycle = [...trail.slice(start), path].join(" → ");
      found.push(`${trail.at(-1)} closes a cycle: ${cycle}`);
    } else if (!done.has(path)) {
      for (const next of arrows.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    }
  };
  for (const path of arrows.keys()) visit(path, []);
  return found;
}

/** Resolves a relative specifier against the path of the importing file. */
function resolve(from: string, to: string): string {
  const { pathname } = new URL(to, new URL(from, "file:///"));
  return pathname.slice(1);
}
