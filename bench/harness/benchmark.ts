import { parseArgs } from "@std/cli/parse-args";
import { ensureDir } from "@std/fs/ensure-dir";
import { fromFileUrl } from "@std/path/from-file-url";
import { readProgram } from "./child.ts";
import type { Packages } from "./import_package.ts";

/** What figures were measured on. */
export interface Machine {
  readonly cores: number;
  readonly os: string;
  readonly fileSystem: string;
  /** Deno first, each with its version. */
  readonly runtimes: readonly string[];
}

/** What every benchmark writes down. */
export interface Results {
  readonly date: string;
  readonly machine: Machine;
  /** What did not run, and why. */
  readonly skipped: readonly Skipped[];
}

/** What did not run, and why. */
export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** What the tables say of a contestant of a race. */
export interface Profile {
  readonly name: string;
  /** `bare`: a server and nothing else. */
  readonly kind: "bare" | "floor" | "ours" | "peer" | "database";
  /** How it was set up, as far as its users should know. */
  readonly note: string;
  readonly packages: Packages;
}

/** The options of a benchmark, each with its default. */
type Options = Readonly<Record<string, string | number | boolean>>;

/** The types of options, without their defaults. */
type Widened<T extends Options> = {
  readonly [K in keyof T]: T[K] extends number ? number
    : T[K] extends string ? string
    : boolean;
};

/** The options of every benchmark that writes results. */
type Common = {
  readonly directory: string;
  readonly output: string;
  readonly render: boolean;
};

const COMMON: Common = {
  directory: "",
  output: fromFileUrl(new URL("../results", import.meta.url)),
  render: false,
};

/** Reads the command line. */
export function readOptions<T extends Options>(defaults: T): Widened<T> {
  const entries = Object.entries(defaults);
  const namesOf = (...types: string[]) =>
    entries.flatMap(([name, each]) => types.includes(typeof each) ? name : []);
  const args = parseArgs(Deno.args, {
    boolean: namesOf("boolean"),
    string: namesOf("string", "number"),
    default: defaults,
  }) as Options;
  return Object.fromEntries(
    entries.map(([name, each]) => [
      name,
      typeof each === "number" ? Number(args[name]) : args[name],
    ]),
  ) as Widened<T>;
}

/** A benchmark that writes results. */
export interface Benchmark<T extends Results, O extends Options> {
  /** The name of its files. */
  readonly name: string;
  readonly options: O;
  /** Measures in an empty directory. */
  measure(
    base: string,
    options: Widened<O> & Common,
    skip: (name: string, error: unknown) => void,
  ): Promise<Omit<T, keyof Results> & { readonly runtimes?: string[] }>;
  toMarkdown(results: T): string;
  /** Returns SVG documents by the names of their files. */
  toPlots?(results: T): Promise<Readonly<Record<string, string>>>;
}

/**
 * Runs a benchmark, and writes its results as JSON, Markdown and plots. Every
 * benchmark has three options beside its own:
 *
 *   --directory DIR   where the sessions are; a temporary one by default
 *   --output DIR      where the results are written; bench/results by default
 *   --render          measures nothing: makes tables and plots anew from JSON
 */
export async function runBenchmark<T extends Results, O extends Options>(
  benchmark: Benchmark<T, O>,
): Promise<void> {
  const { name, toMarkdown, toPlots } = benchmark;
  const options = {
    ...readOptions(COMMON),
    ...readOptions(benchmark.options),
  };
  const { output, render } = options as Common;
  const results = render
    ? await readResults<T>(output, name)
    : await measure(benchmark, options);
  const markdown = toMarkdown(results);
  await ensureDir(output);
  const write = (file: string, text: string) =>
    Deno.writeTextFile(`${output}/${file}`, text);
  await write(`${name}.json`, `${JSON.stringify(results, null, 2)}\n`);
  await write(`${name}.md`, markdown);
  console.log(`\n${markdown}`);
  // Last, since their library is downloaded: what was measured is not lost.
  const plots = await toPlots?.(results) ?? {};
  for (const [file, svg] of Object.entries(plots)) await write(file, svg);
}

async function measure<T extends Results, O extends Options>(
  { name, measure }: Benchmark<T, O>,
  options: Widened<O> & Common,
): Promise<T> {
  await using base = await makeBase(name, options.directory);
  const skipped: Skipped[] = [];
  const { runtimes = [], ...measured } = await measure(
    base.path,
    options,
    (name, error) => {
      const reason = reasonOf(error);
      skipped.push({ name, reason });
      say(`skipped ${name}: ${reason}`);
    },
  );
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      cores: navigator.hardwareConcurrency,
      os: await readProgram("uname", ["-sr"]) ?? Deno.build.os,
      fileSystem: await fileSystemOf(base.path),
      runtimes: [...new Set([`Deno ${Deno.version.deno}`, ...runtimes])],
    },
    ...measured,
    skipped,
  } as unknown as T;
}

/** Reads what an earlier run has written. */
export async function readResults<T>(
  directory: string,
  name: string,
): Promise<T> {
  return JSON.parse(await Deno.readTextFile(`${directory}/${name}.json`)) as T;
}

/** Makes a directory that is removed when it is disposed of. */
export async function makeBase(
  name: string,
  parent: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({
    ...(parent !== "" && { dir: parent }),
    prefix: `latchkey-${name}-`,
  });
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Makes a directory that only this user may use, as a store asks for. */
export async function makePrivate(path: string): Promise<string> {
  await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

/**
 * Returns the file system of a path, if that can be told, and whether it tells
 * the disk of each free block (`discard`): a file that ends may then cost more
 * than all the rest that is done with it.
 */
export async function fileSystemOf(path: string): Promise<string> {
  const text = await readProgram("findmnt", [
    "--noheadings",
    "--output=FSTYPE,OPTIONS",
    "--target",
    path,
  ]);
  if (text === undefined) return "file system unknown";
  const [type = "", options = ""] = text.split(/\s+/);
  return options.split(",").includes("discard") ? `${type} with discard` : type;
}

/** Writes out what the last turn left, so that the next does not pay for it. */
export async function settle(path: string): Promise<void> {
  // Where it is not installed the turns are only noisier.
  await readProgram("sync", ["-f", path]);
}

/** Reports progress. */
export function say(text: string): void {
  console.error(text);
}

/** Without paths: it is read on other machines. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/(file:\/\/)?\/[^\s:]+\//g, "")
    .replaceAll(/\s+/g, " ").slice(0, 200);
}
