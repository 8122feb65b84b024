/*
 * How much longer than its `node:` imports alone does the import of the package
 * take, in a fresh process?
 *
 * 2026-11-28, Deno 2.9.6, user and system time of the process, in ms: an empty
 * module 14, the imports 38, the package 59, the package bundled into one file 44.
 * So of the 21 that are ours Deno spends 15 on the files of the graph, one by one,
 * and 6 on the code. Of the 15, 5 are those of `@std/path`, as a stand-in from npm.
 */
import { fromFileUrl } from "@std/path/from-file-url";
import { runProgram } from "./harness/child.ts";

const NODE_MODULES = ["node:crypto", "node:fs", "node:zlib"];

/** Runs a process that imports the package and ends. */
export function importPackage(): Promise<void> {
  return importAlone([import.meta.resolve("../mod.ts")]);
}

/** Runs a process that imports only the modules of Node that the package does. */
export function importNode(): Promise<void> {
  return importAlone(NODE_MODULES);
}

async function importAlone(specifiers: readonly string[]): Promise<void> {
  const config = fromFileUrl(import.meta.resolve("../deno.json"));
  const code = specifiers.map((each) => `import "${each}";`).join("");
  const args = ["eval", "--quiet", "--no-check", `--config=${config}`, code];
  await runProgram(Deno.execPath(), args);
}
