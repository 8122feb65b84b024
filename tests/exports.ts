/**
 * What the package exports, as text: a line for each name and each of its
 * members, with its type. `deno task exports` writes it to `tests/exports.txt`,
 * so that a change of them is seen in a diff.
 */

import { walk } from "@std/fs/walk";
import { spawnDeno } from "./spawn.ts";
import { TemporaryDirectory } from "./temporary_directory.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** Where the text is kept. */
export const EXPORTS: string = `${ROOT}tests/exports.txt`;

const DOC_COMMENT = /^[ \t]*\/\*\*[\s\S]*?\*\/[ \t]*\n/gm;
const PLACE = /^Defined in /;

/** Reads what mod.ts exports. */
export async function readExports(): Promise<string> {
  // Without comments, `deno doc` writes the names and types alone.
  using directory = new TemporaryDirectory();
  const files = { "mod.ts": read("mod.ts") };
  for await (const { path } of walk(`${ROOT}src`, { exts: [".ts"] })) {
    const name = path.slice(ROOT.length);
    Object.assign(files, { [name]: read(name) });
  }
  directory.writeFiles(files);
  const { code, stdout, stderr } = await spawnDeno([
    "doc",
    `--config=${ROOT}deno.json`,
    directory.join("mod.ts"),
  ]).end();
  if (code !== 0) throw new Error(`Cannot read the exports: ${stderr}`);
  const lines = stdout.split("\n").map((line) => line.trimEnd())
    .filter((line) => line !== "" && !PLACE.test(line));
  return `${lines.join("\n")}\n`;
}

function read(name: string): string {
  return Deno.readTextFileSync(`${ROOT}${name}`).replaceAll(DOC_COMMENT, "");
}

if (import.meta.main) Deno.writeTextFileSync(EXPORTS, await readExports());
