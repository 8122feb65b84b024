/**
 * Runs `deno lint` with our deno.json on files that break its rules: a rule
 * that is not loaded reports nothing.
 */

import { assertEquals } from "@std/assert";
import { spawnDeno } from "./spawn.ts";
import { TemporaryDirectory } from "./temporary_directory.ts";

const ROOT = new URL("../", import.meta.url);

/** Files without a breach of a rule, although they look like one. */
const SOUND: Readonly<Record<string, string>> = {
  "mod.ts": `export const a = 1;`,
  "src/core/sound.ts": `
    // enum, export default, : any, Deno.open()
    const text: string = \`\${"as any"} import(name) enum E {}\`;
    export const any: { enumerable: string } = { enumerable: text };
    export interface Visit { fetch(): void; Deno: string }
    export class Timer {
      fetch = 1;
      setTimeout(visit: Visit): string {
        visit.fetch();
        const { Deno: name } = visit;
        return name;
      }
    }`,
  "src/manager/sound.ts": `
    import { any } from "../core/sound.ts";
    export { any as setTimeout };
    setTimeout(() => Deno.uid(), 1);
    await import("../core/sound.ts");
    await import("./data.json", { with: { type: "json" } });`,
  "bench/sound.ts": "const name = 1; await import(`./${name}.ts`);",
};

/** Each is a file of its own; with the only rule that it breaks. */
const BREACHES: readonly (readonly [rule: string, source: string])[] = [
  ["no-explicit-any", `export const a = (1 as any).c;`],
  ["no-explicit-any", `export const a: Record<string, any> = {};`],
  ["house/no-enum", `export enum Colour { Red }`],
  ["house/no-enum", `export const enum Colour { Red }`],
  ["house/no-enum", `export declare enum Colour { Red }`],
  ["house/no-default-export", `export default function lock(): void {}`],
  ["house/no-default-export", `const a = 1;\nexport { a as default };`],
  ["house/no-default-export", `const a = 1;\nexport { a as "default" };`],
  ["house/no-default-export", `export { default } from "./a.ts";`],
  ["house/no-default-export", `export * as default from "./a.ts";`],
  [
    "house/no-computed-import",
    "const name = 1; await import(`./${name}.ts`);",
  ],
  [
    "house/no-computed-import",
    `const name: string = "./a.ts"; await import(name);`,
  ],
  ["house/values-only", `export const a = (): number => Deno.uid() ?? 0;`],
  ["house/values-only", `export const { uid } = Deno;`],
  ["house/values-only", `export let a: Deno.Kv;`],
  ["house/values-only", `export const a = globalThis["fetch"];`],
  ["house/values-only", `setTimeout(() => {}, 5);`],
  ["house/values-only", `setInterval(() => {}, 5);`],
  ["house/values-only", `export const system: object = { fetch };`],
  ["house/values-only", `export const a = { [localStorage.a]: 1 };`],
];

Deno.test("deno lint finds a breach of any rule, and none in sound files", async () => {
  using tree = new TemporaryDirectory();
  const broken = BREACHES.map(([rule, source], at) => ({
    path: `src/core/breach_${at}.ts`,
    rule,
    source,
  }));
  tree.writeFiles({
    ...SOUND,
    ...Object.fromEntries(broken.map(({ path, source }) => [path, source])),
    "src/core/a.ts": "",
    "deno.json": await Deno.readTextFile(new URL("deno.json", ROOT)),
    ".ci/lint_rules.ts": await Deno.readTextFile(
      new URL(".ci/lint_rules.ts", ROOT),
    ),
  });
  const { stdout } = await spawnDeno(["lint", "--json"], { cwd: tree.path })
    .end();
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { filename: string; code: string }[];
  };
  const found = diagnostics.map(({ filename, code }) =>
    `${filename.slice(filename.indexOf("src/"))} ${code}`
  );
  assertEquals(
    found.sort(),
    broken.map(({ path, rule }) => `${path} ${rule}`).sort(),
  );
});
