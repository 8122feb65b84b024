/**
 * Task `deps`: makes sure that the `jsr:@std/…` imports of deno.json can be
 * loaded, before the other tasks need them. In this order:
 *
 * 1. Deno loads all of them, types included, without the network → nothing to
 *    do. As deno.json says `"vendor": true`, it looks into `vendor/`.
 * 2. jsr.io answers within 3 seconds → Deno fetches all of them anew.
 * 3. An npm registry answers → stand-ins are written to `vendor/` in the layout
 *    of JSR, which re-export the published std as `npm:deno-std` carries it.
 *    Their types are loose (`any`, but for what TypeScript must know about
 *    assertions); the code runs the same. They replace all of `@std`: real
 *    packages and stand-ins never mix.
 *
 * Delete `vendor/` to start again, for example once jsr.io can be reached.
 *
 * One run at a time changes `vendor/`. A run that is killed leaves files that
 * are whole but too few, which the next one notices: Deno replaces a file by
 * `rename`, and so are the stand-ins, all at once.
 *
 * This script imports nothing, since it runs before anything can be imported.
 *
 * @module
 */

const NPM = "npm:deno-std@1.3.1";

const root = new URL("../", import.meta.url);
const vendor = new URL("vendor/", root);
const jsr = new URL(Deno.env.get("JSR_URL") ?? "https://jsr.io/");

/**
 * What `any` cannot stand for: TypeScript follows assertions and `never` only
 * where the name has a declared type. As in the real std.
 */
const FUNCTION_TYPES: Record<string, string> = {
  assert: "(expr: unknown, msg?: string) => asserts expr",
  assertExists:
    "<T>(actual: T, msg?: string) => asserts actual is NonNullable<T>",
  assertFalse:
    '(expr: unknown, msg?: string) => asserts expr is false | 0 | 0n | "" | null | undefined',
  assertInstanceOf:
    "<T extends abstract new (...args: any[]) => any>(actual: unknown, expectedType: T, msg?: string) => asserts actual is InstanceType<T>",
  assertStrictEquals:
    "<T>(actual: unknown, expected: T, msg?: string) => asserts actual is T",
  fail: "(msg?: string) => never",
  unreachable: "(msg?: string) => never",
};

/** Types that the packages export; each stand-in has all of them, as `any`. */
const TYPES = ["ParseOptions", "ParsedPath", "WalkEntry", "WalkOptions"];

/** One `jsr:@std/…` import of deno.json. */
interface Package {
  readonly specifier: string;
  readonly name: string;
  /** The oldest version that its range admits. */
  readonly version: string;
}

/** Returns what went wrong. */
async function main(): Promise<string | undefined> {
  const [major = 0, minor = 0] = Deno.version.deno.split(".").map(Number);
  if (major < 2 || (major === 2 && minor < 8)) {
    return "@latchkey/session needs Deno 2.8 or newer (FsFile.tryLockSync), " +
      `and this is ${Deno.version.deno}: run "deno upgrade", ` +
      'or use "npx -y deno task …"';
  }
  const packages = await readPackages();
  if (await load(packages, "--cached-only") === undefined) return;

  await Deno.mkdir(vendor, { recursive: true });
  const lock = new URL(".deps.lock", vendor);
  using turn = await Deno.open(lock, { create: true, write: true });
  await turn.lock(true);
  if (await load(packages, "--cached-only") === undefined) return;

  const noJsr = await fetchFromJsr(packages);
  if (noJsr === undefined) return;
  const list = packages.map(({ name }) => `@std/${name}`).join(", ");
  try {
    await writeStandIns(packages);
  } catch (error) {
    return `Cannot provide ${list}: neither JSR nor an npm registry can be ` +
      `used\n  ${jsr}: ${noJsr}\n  ${NPM}: ${reasonOf(error)}`;
  }
  console.error(
    `deps: all of ${list} in vendor/ now come from ${NPM}, because JSR cannot ` +
      `be used (delete vendor/ to ask it again)\n  ${jsr}: ${noJsr}`,
  );
}

async function readPackages(): Promise<Package[]> {
  const text = await Deno.readTextFile(new URL("deno.json", root));
  const { imports } = JSON.parse(text) as { imports: Record<string, string> };
  return Object.values(imports).flatMap((specifier) => {
    const match = specifier.match(/^jsr:@std\/([a-z-]+)@\^(\d+\.\d+\.\d+)$/);
    return match ? [{ specifier, name: match[1]!, version: match[2]! }] : [];
  });
}

/** Has Deno load the packages; returns why it could not. */
async function load(
  packages: Package[],
  flag: "--cached-only" | "--reload",
): Promise<string | undefined> {
  const specifiers = packages.map(({ specifier }) => specifier);
  // Without --check, modules that are imported for types only may be missing.
  const args = ["install", "--quiet", "--check", flag, "--entrypoint"];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, ...specifiers],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) return new TextDecoder().decode(stderr).split("\n\n")[0]!;
}

/** Has Deno fetch and vendor the packages; returns why it could not. */
async function fetchFromJsr(packages: Package[]): Promise<string | undefined> {
  try {
    // Deno itself waits without end where no packet comes back.
    const signal = AbortSignal.timeout(3_000);
    await fetch(jsr, { method: "HEAD", signal });
  } catch (error) {
    return reasonOf(error);
  }
  return await load(packages, "--reload");
}

/** Replaces all of `@std` in `vendor/` by modules that re-export {@linkcode NPM}. */
async function writeStandIns(packages: Package[]): Promise<void> {
  const made = new URL(".deps/", vendor);
  for (const each of packages) await writeStandIn(made, each);
  // As Deno names it: jsr.io/@std, or http_127.0.0.1_8000/@std.
  const scheme = jsr.protocol === "https:" ? "" : "http_";
  const host = scheme + jsr.host.replace(":", "_");
  const std = new URL(`${host}/@std/`, vendor);
  await Deno.mkdir(std, { recursive: true });
  await Deno.remove(std, { recursive: true });
  await Deno.rename(made, std);
}

async function writeStandIn(
  std: URL,
  { name, version }: Package,
): Promise<void> {
  // The npm package's cli/mod.js does not load.
  const path = name === "cli" ? "cli/parse_args.js" : `${name}/mod.js`;
  const names = Object.keys(await import(`${NPM}/${path}`) as object);
  const module = [
    `import * as m from "${NPM}/${path}";`,
    ...names.map((name) =>
      `export const ${name}: ${FUNCTION_TYPES[name] ?? "any"} = m.${name};`
    ),
    ...TYPES.map((type) => `export type ${type}<A = any, B = any> = any;`),
  ].join("\n");
  // JSR has a module for each function: fromFileUrl is in ./from-file-url.
  const subpaths = names.map((name) =>
    `./${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  );
  const exports = Object.fromEntries(
    [".", ...subpaths].map((subpath) => [subpath, "./mod.ts"]),
  );
  const files = {
    [`${version}/mod.ts`]: module,
    [`${version}_meta.json`]: JSON.stringify({ manifest: {}, exports }),
    "meta.json": JSON.stringify({ versions: { [version]: {} } }),
  };
  const directory = new URL(`${name}/`, std);
  await Deno.mkdir(new URL(`${version}/`, directory), { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    await Deno.writeTextFile(new URL(file, directory), text);
  }
}

function reasonOf(error: unknown): string {
  return String(error instanceof Error ? error.cause ?? error : error);
}

const failure = await main();
if (failure !== undefined) {
  console.error(`deps: ${failure}`);
  Deno.exit(1);
}
