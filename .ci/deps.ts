/**
 * Task `deps`: makes sure that the `jsr:@std/…` imports of deno.json can be
 * loaded, before the other tasks need them. In this order:
 *
 * 1. `vendor/jsr.io/@std/<name>/` has every package → nothing to do.
 * 2. jsr.io answers within 3 seconds → Deno fetches them and, as deno.json
 *    says `"vendor": true`, keeps them in `vendor/` itself.
 * 3. An npm registry answers → thin modules are written to `vendor/` in the
 *    layout of JSR, which re-export the published std as `npm:deno-std`
 *    carries it. Their types are loose (`any`, but for what TypeScript must
 *    know, such as assertions); the code runs the same.
 *
 * Delete `vendor/` to start again, for example once jsr.io can be reached.
 *
 * A package directory gets its name by one `rename` when it is complete: a run
 * that is killed leaves at most a `vendor/.deps-…` directory, which a later
 * run removes, and of two runs at once the first one wins.
 *
 * This script imports nothing, since it runs before anything can be imported.
 *
 * @module
 */

const NPM = "npm:deno-std@1.3.1";
const OLDEST_DENO = [2, 8] as const;
const JSR_TIMEOUT = 3_000;
const LEFTOVER_AGE = 10 * 60_000;

const root = new URL("../", import.meta.url);
const vendor = new URL("vendor/", root);
const std = new URL("jsr.io/@std/", vendor);

/** JSR's path of each module that we support → its path in {@linkcode NPM}. */
const MODULES: Record<string, Record<string, string>> = {
  assert: { ".": "assert/mod.js" },
  cli: {
    // The npm package's cli/mod.js does not load, so the root has less.
    ".": "cli/parse_args.js",
    "./parse-args": "cli/parse_args.js",
  },
  fs: {
    ".": "fs/mod.js",
    "./ensure-dir": "fs/ensure_dir.js",
    "./exists": "fs/exists.js",
    "./walk": "fs/walk.js",
  },
  path: {
    ".": "path/mod.js",
    "./basename": "path/basename.js",
    "./dirname": "path/dirname.js",
    "./from-file-url": "path/from_file_url.js",
    "./is-absolute": "path/is_absolute.js",
    "./join": "path/join.js",
    "./relative": "path/relative.js",
    "./resolve": "path/resolve.js",
    "./to-file-url": "path/to_file_url.js",
  },
};

/**
 * What `any` cannot stand for: assertions and `never` count only on a name
 * with a declared type, type arguments need a generic one, and a class or an
 * interface may be used as a type. As in the real std.
 */
const TYPES: Record<string, string> = {
  assert: "(expr: unknown, msg?: string) => asserts expr",
  assertExists:
    "<T>(actual: T, msg?: string) => asserts actual is NonNullable<T>",
  assertFalse:
    '(expr: unknown, msg?: string) => asserts expr is false | 0 | 0n | "" | null | undefined',
  assertInstanceOf:
    "<T extends abstract new (...args: any[]) => any>(actual: unknown, expectedType: T, msg?: string) => asserts actual is InstanceType<T>",
  assertIsError:
    "<E extends Error = Error>(error: unknown, ErrorClass?: abstract new (...args: any[]) => E, msgMatches?: string | RegExp, msg?: string) => asserts error is E",
  assertNotInstanceOf:
    "<A, T>(actual: A, unexpectedType: abstract new (...args: any[]) => T, msg?: string) => asserts actual is Exclude<A, T>",
  assertStrictEquals:
    "<T>(actual: unknown, expected: T, msg?: string) => asserts actual is T",
  fail: "(msg?: string) => never",
  unimplemented: "(msg?: string) => never",
  unreachable: "(msg?: string) => never",
  assertEquals: "<T>(actual: T, expected: T, msg?: string) => void",
  assertNotEquals: "<T>(actual: T, expected: T, msg?: string) => void",
  assertArrayIncludes:
    "<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string) => void",
  assertGreater: "<T>(actual: T, expected: T, msg?: string) => void",
  assertGreaterOrEqual: "<T>(actual: T, expected: T, msg?: string) => void",
  assertLess: "<T>(actual: T, expected: T, msg?: string) => void",
  assertLessOrEqual: "<T>(actual: T, expected: T, msg?: string) => void",
  assertThrows: `{
  (fn: () => unknown, msg?: string): unknown;
  <E extends Error = Error>(fn: () => unknown, ErrorClass: abstract new (...args: any[]) => E, msgIncludes?: string, msg?: string): E;
}`,
  assertRejects: `{
  (fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
  <E extends Error = Error>(fn: () => PromiseLike<unknown>, ErrorClass: abstract new (...args: any[]) => E, msgIncludes?: string, msg?: string): Promise<E>;
}`,
};

/** What a module exports for the type checker only. */
const TYPE_EXPORTS: Record<string, string> = {
  "assert/mod.js": "export type AssertionError = Error;\n",
  "cli/parse_args.js":
    "export type Args<A = any, DD = any> = any;\nexport type ParseOptions = any;\n",
  "fs/mod.js":
    "export type WalkEntry = any;\nexport type WalkOptions = any;\nexport type ExistsOptions = any;\n",
  "fs/exists.js": "export type ExistsOptions = any;\n",
  "fs/walk.js":
    "export type WalkEntry = any;\nexport type WalkOptions = any;\n",
  "path/mod.js": "export type ParsedPath = any;\n",
};

/** One `jsr:@std/…` import of deno.json. */
interface Wanted {
  readonly name: string;
  /** The oldest version that its range admits. */
  readonly version: string;
  readonly specifier: string;
}

async function main(): Promise<number> {
  const tooOld = checkDeno(Deno.version.deno);
  if (tooOld !== undefined) return report(tooOld);

  const wanted = await readWanted();
  const missing = await selectMissing(wanted);
  if (missing.length === 0) return 0;

  const noJsr = await fetchFromJsr(missing);
  if (noJsr === undefined) return 0;

  const list = missing.map(({ name }) => `@std/${name}`).join(", ");
  try {
    await writeThinPackages(missing);
  } catch (error) {
    return report(
      `Cannot provide ${list}: neither jsr.io nor an npm registry can be used\n` +
        `  jsr.io: ${noJsr}\n  ${NPM}: ${messageOf(error)}`,
    );
  }
  console.error(
    `deps: jsr.io does not answer, so vendor/ now has ${list} from ${NPM} ` +
      `(delete vendor/ to ask jsr.io again)`,
  );
  return 0;
}

/** Returns what to tell the user of a Deno that is too old. */
function checkDeno(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_DENO;
  if (
    major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
  ) return undefined;
  return `@latchkey/session needs Deno ${OLDEST_DENO.join(".")} or newer ` +
    `(FsFile.tryLockSync), and this is ${version}: run "deno upgrade", ` +
    `or use "npx -y deno task …"`;
}

async function readWanted(): Promise<Wanted[]> {
  const text = await Deno.readTextFile(new URL("deno.json", root));
  const { imports } = JSON.parse(text) as { imports: Record<string, string> };
  return Object.values(imports).flatMap((specifier) => {
    const match = specifier.match(/^jsr:@std\/([a-z-]+)@\^(\d+\.\d+\.\d+)$/);
    return match === null
      ? []
      : [{ name: match[1]!, version: match[2]!, specifier }];
  });
}

async function selectMissing(wanted: readonly Wanted[]): Promise<Wanted[]> {
  const there = await Promise.all(
    wanted.map((each) => isComplete(new URL(`${each.name}/`, std), each)),
  );
  return wanted.filter((_, index) => !there[index]);
}

/** Whether a package directory has a version that will do, and its modules. */
async function isComplete(directory: URL, wanted: Wanted): Promise<boolean> {
  const meta = await readJson<{ versions?: Record<string, unknown> }>(
    new URL("meta.json", directory),
  );
  const versions = Object.keys(meta?.versions ?? {})
    .filter((version) => satisfies(version, wanted.version));
  for (const version of versions) {
    const details = await readJson<{ exports?: Record<string, string> }>(
      new URL(`${version}_meta.json`, directory),
    );
    const entry = Object.values(details?.exports ?? {});
    // Deno keeps only what was imported, so one entry is enough.
    for (const path of entry) {
      if (await isFile(new URL(`${version}/${path}`, directory))) return true;
    }
  }
  return false;
}

/** Whether `version` is in the range `^oldest`, for versions from 1.0.0 on. */
function satisfies(version: string, oldest: string): boolean {
  if (!/^\d+\.\d+\.\d+$/.test(version)) return false;
  const has = version.split(".").map(Number);
  const needs = oldest.split(".").map(Number);
  if (has[0] !== needs[0]) return false;
  return has[1]! > needs[1]! || (has[1] === needs[1] && has[2]! >= needs[2]!);
}

/** Has Deno fetch and vendor the packages; returns why it could not. */
async function fetchFromJsr(
  wanted: readonly Wanted[],
): Promise<string | undefined> {
  try {
    const response = await fetch("https://jsr.io/@std/path/meta.json", {
      signal: AbortSignal.timeout(JSR_TIMEOUT),
    });
    await response.body?.cancel();
    if (!response.ok) return `it answered ${response.status}`;
    // Now, not when a task first needs one: else every task would ask again.
    for (const { specifier } of wanted) await import(specifier);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function writeThinPackages(wanted: readonly Wanted[]): Promise<void> {
  await Deno.mkdir(std, { recursive: true });
  await removeLeftovers();
  const temporary = new URL(`.deps-${crypto.randomUUID()}/`, vendor);
  await Deno.mkdir(temporary);
  try {
    for (const each of wanted) {
      const made = new URL(`${each.name}/`, temporary);
      await writeThinPackage(made, each);
      await install(made, new URL(`${each.name}/`, std), each, temporary);
    }
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

async function writeThinPackage(
  directory: URL,
  { name, version }: Wanted,
): Promise<void> {
  const modules = MODULES[name];
  if (modules === undefined) throw new Error(`@std/${name} is not known here`);
  const exports: Record<string, string> = {};
  const manifest: Record<string, { size: number; checksum: string }> = {};
  await Deno.mkdir(new URL(`${version}/`, directory), { recursive: true });
  for (const [subpath, source] of Object.entries(modules)) {
    const file = subpath === "."
      ? "mod.ts"
      : `${subpath.slice(2).replaceAll("-", "_")}.ts`;
    const bytes = new TextEncoder().encode(await generateModule(source));
    await Deno.writeFile(new URL(`${version}/${file}`, directory), bytes);
    exports[subpath] = `./${file}`;
    manifest[`/${file}`] = {
      size: bytes.length,
      checksum: `sha256-${await sha256(bytes)}`,
    };
  }
  await writeJson(new URL(`${version}_meta.json`, directory), {
    manifest,
    exports,
  });
  await writeJson(new URL("meta.json", directory), {
    scope: "std",
    name,
    latest: version,
    versions: { [version]: {} },
  });
}

/** Writes the module that re-exports `source` of {@linkcode NPM}. */
async function generateModule(source: string): Promise<string> {
  const specifier = `${NPM}/${source}`;
  const names = Object.keys(await import(specifier) as object)
    .filter((name) => name !== "default").sort();
  const lines = names.map((name) =>
    `export const ${name}: ${TYPES[name] ?? "any"} = m.${name};`
  );
  return `// Written by .ci/deps.ts, because jsr.io could not be used.\n` +
    `// deno-lint-ignore-file\n` +
    `import * as m from "${specifier}";\n` +
    `${lines.join("\n")}\n${TYPE_EXPORTS[source] ?? ""}`;
}

/** Moves a complete package to its place, unless there is one already. */
async function install(
  made: URL,
  target: URL,
  wanted: Wanted,
  temporary: URL,
): Promise<void> {
  while (true) {
    try {
      return await Deno.rename(made, target);
    } catch (error) {
      if (await isComplete(target, wanted)) return;
      if (!await exists(target)) throw error;
    }
    // What is there was begun by Deno, with jsr.io, and not finished.
    await Deno.rename(target, new URL(`${wanted.name}-broken/`, temporary));
  }
}

/** Removes what killed runs have left; not what another run is using. */
async function removeLeftovers(): Promise<void> {
  for await (const { name } of Deno.readDir(vendor)) {
    if (!name.startsWith(".deps-")) continue;
    const leftover = new URL(`${name}/`, vendor);
    const { mtime } = await Deno.stat(leftover);
    if (Date.now() - (mtime?.getTime() ?? 0) < LEFTOVER_AGE) continue;
    await Deno.remove(leftover, { recursive: true });
  }
}

async function readJson<T>(file: URL): Promise<T | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(file)) as T;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof SyntaxError) return undefined; // half written
    throw error;
  }
}

async function writeJson(file: URL, value: unknown): Promise<void> {
  await Deno.writeTextFile(file, JSON.stringify(value, null, 2) + "\n");
}

async function isFile(file: URL): Promise<boolean> {
  try {
    return (await Deno.stat(file)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function exists(path: URL): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toHex();
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return cause === undefined ? message : `${message}: ${messageOf(cause)}`;
}

function report(message: string): number {
  console.error(`deps: ${message}`);
  return 1;
}

if (import.meta.main) Deno.exit(await main());
