/** Other runtimes than Deno, from npm. */

import { assert, assertEquals } from "@std/assert";
import { walkSync } from "@std/fs/walk";
import { type Child, runSync, spawnDeno } from "../spawn.ts";
import type { TemporaryDirectory } from "../temporary_directory.ts";

/** The names of the runtimes. */
export const RUNTIMES = ["node", "bun"] as const;
/** One of them. */
export type RuntimeName = typeof RUNTIMES[number];

const HERE = new URL("./", import.meta.url).pathname;
const ARCH = Deno.build.arch === "x86_64" ? "x64" : "arm64";
const BUN_ARCH = ARCH === "x64" ? ARCH : "aarch64";

/** The packages that have the programs themselves: those of every system install by a script. */
const PACKAGES: Readonly<
  Record<RuntimeName, { readonly name: string; readonly version: string }>
> = {
  node: { name: `node-linux-${ARCH}`, version: "24.21.0" },
  bun: { name: `@oven/bun-linux-${BUN_ARCH}`, version: "1.4.5" },
};

/** Has what the modules of @std have, under other names. */
const STD = { name: "deno-std", version: "1.3.1" };
/** An import of a module of @std, by its name on JSR or on npm. */
const STD_IMPORT = /\bfrom "(@std\/|@jsr\/std__)(\w+)\/([\w-]+)"/g;

/** What this machine lacks to run them, if anything. */
export const missingRuntimes: string | undefined = Deno.build.os === "linux"
  ? undefined
  : "the runtimes are installed on Linux only";

/** Runtimes in a directory, and how to start them. */
export class Runtimes {
  readonly #directory: TemporaryDirectory;

  private constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
  }

  /**
   * Installs all of them.
   *
   * @param directory Where.
   * @param more Further packages, by their names and versions.
   */
  static async install(
    directory: TemporaryDirectory,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Runtimes> {
    const packages = [...Object.values(PACKAGES), STD];
    directory.writeFiles({
      "deno.json": JSON.stringify({ nodeModulesDir: "auto" }),
      "package.json": JSON.stringify({
        type: "module",
        dependencies: {
          ...Object.fromEntries(
            packages.map(({ name, version }) => [name, version]),
          ),
          ...more,
        },
      }),
    });
    const { code, stderr } = await spawnDeno(["install", "--quiet"], {
      cwd: directory.path,
    }).end();
    assertEquals(code, 0, stderr);
    return new Runtimes(directory);
  }

  /**
   * Bundles a script of this room with its packages.
   *
   * @param script Its file name.
   * @param to The module's.
   */
  async bundle(script: string, to: string): Promise<void> {
    const { code, stderr } = await spawnDeno([
      "bundle",
      "--quiet",
      `--config=${HERE}../../deno.json`,
      `--output=${this.#directory.join(to)}`,
      `${HERE}${script}`,
    ]).end();
    assertEquals(code, 0, stderr);
  }

  /**
   * Installs the package in JavaScript, as npm would get it. JSR makes a package
   * of the same kind; @std is there under the name that this one imports.
   */
  async installPackage(): Promise<void> {
    const file = this.#directory.join("package.tgz");
    const { code, stderr } = await spawnDeno([
      ...["pack", "--quiet", "--allow-dirty", `--output=${file}`],
    ], { cwd: `${HERE}../..` }).end();
    assertEquals(code, 0, stderr);
    const modules = this.#directory.join("node_modules");
    const place = `${modules}/@latchkey/session`;
    Deno.mkdirSync(place, { recursive: true });
    const args = ["-C", place, "--strip-components=1", "-xzf", file];
    assertEquals(runSync("tar", args).code, 0);
    const sources = [...walkSync(place, { exts: [".js"] })]
      .map(({ path }) => Deno.readTextFileSync(path));
    const imports = sources.flatMap((text) => [...text.matchAll(STD_IMPORT)]);
    assert(imports.length > 0, "nothing of @std is imported");
    for (const [, scope, part, name] of imports) {
      const module = name!.replaceAll("-", "_");
      this.#directory.writeFiles({
        [`node_modules/${scope}${part}/package.json`]: JSON.stringify({
          type: "module",
          exports: { "./*": "./*.js" },
        }),
        [`node_modules/${scope}${part}/${name}.js`]:
          `export * from "${STD.name}/${part}/${module}.js";`,
      });
    }
  }

  /**
   * Starts a module of the directory.
   *
   * @param runtime By what.
   * @param module Its name.
   * @param arg Its argument, without apostrophes.
   */
  start(runtime: RuntimeName, module: string, arg = ""): Child {
    const program = `node_modules/${PACKAGES[runtime].name}/bin/${runtime}`;
    // A task may run any program, which the tests may not.
    return spawnDeno(
      ["task", "--quiet", "--eval", `${program} ${module} '${arg}'`],
      { cwd: this.#directory.path },
    );
  }
}
