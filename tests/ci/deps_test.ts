import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

/** Returns the files of a JSR package of one module, by their paths. */
async function pack(
  name: string,
  version: string,
  subpath: string,
  source: string,
): Promise<Record<string, string>> {
  const bytes = new TextEncoder().encode(source);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const checksum = `sha256-${digest.toHex()}`;
  return {
    [`/@std/${name}/meta.json`]: JSON.stringify({
      versions: { [version]: {} },
    }),
    [`/@std/${name}/${version}_meta.json`]: JSON.stringify({
      manifest: { "/mod.ts": { size: bytes.length, checksum } },
      exports: { [subpath]: "./mod.ts" },
    }),
    [`/@std/${name}/${version}/mod.ts`]: source,
  };
}

/** What the JSR has: the one package imports the other for its types only. */
const FILES: Readonly<Record<string, string>> = {
  ...await pack(
    "path",
    "1.1.5",
    ".",
    'export type { Part } from "jsr:@std/internal@^1.0.0/types";',
  ),
  ...await pack("internal", "1.0.0", "./types", "export type Part = string;"),
};
const TYPES = "@std/internal/1.0.0/mod.ts";

/** A checkout with deps.ts, and a JSR on loopback that is the only registry. */
class Checkout implements AsyncDisposable {
  readonly asked: string[] = [];
  /** Paths that the JSR answers with 503. */
  broken: RegExp = /^$/;
  readonly #directory = new TemporaryDirectory();
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ method, url }) => {
      const { pathname } = new URL(url);
      if (method === "GET") this.asked.push(pathname);
      if (this.broken.test(pathname)) return new Response("", { status: 503 });
      const text = FILES[pathname];
      return new Response(text ?? "", {
        status: text === undefined ? 404 : 200,
      });
    },
  );
  readonly #jsr = `http://127.0.0.1:${this.#server.addr.port}/`;

  constructor() {
    const { path } = this.#directory;
    Deno.mkdirSync(`${path}/.ci`);
    Deno.copyFileSync(
      new URL("../../.ci/deps.ts", import.meta.url),
      `${path}/.ci/deps.ts`,
    );
    Deno.writeTextFileSync(
      `${path}/deno.json`,
      JSON.stringify({
        imports: { "@std/path": "jsr:@std/path@^1.1.4" },
        vendor: true,
        lock: false,
      }),
    );
  }

  /** Where Deno keeps a file of the JSR. */
  vendored(file: string): string {
    const host = this.#jsr.slice("http://".length, -1).replace(":", "_");
    return `${this.#directory.path}/vendor/http_${host}/${file}`;
  }

  async runDeps(): Promise<{ code: number; text: string }> {
    const args = ["run", "--quiet", "--allow-all", ".ci/deps.ts"];
    const { code, stderr } = await spawnDeno(args, {
      cwd: this.#directory.path,
      env: {
        DENO_DIR: `${this.#directory.path}/cache`,
        JSR_URL: this.#jsr,
        NPM_CONFIG_REGISTRY: `${this.#jsr}npm/`,
      },
    }).end();
    return { code, text: stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    this.#directory[Symbol.dispose]();
  }
}

Deno.test("deps fetches what is imported for types only, and asks nothing once all is there", async () => {
  await using checkout = new Checkout();
  assertEquals(await checkout.runDeps(), { code: 0, text: "" });
  assert(Deno.statSync(checkout.vendored(TYPES)).isFile);
  assertEquals(checkout.asked.toSorted(), Object.keys(FILES).toSorted());

  checkout.asked.length = 0;
  assertEquals(await checkout.runDeps(), { code: 0, text: "" });
  assertEquals(checkout.asked, []);
});

Deno.test("deps notices that a file, or a package, is missing in vendor/", async () => {
  await using checkout = new Checkout();
  await checkout.runDeps();
  for (const missing of [TYPES, "@std/internal"]) {
    Deno.removeSync(checkout.vendored(missing), { recursive: true });
    assertEquals(await checkout.runDeps(), { code: 0, text: "" }, missing);
    Deno.statSync(checkout.vendored(missing));
  }
});

Deno.test("deps fails when neither registry has all, says why, and begins again the next time", async () => {
  await using checkout = new Checkout();
  checkout.broken = /internal/;
  const { code, text } = await checkout.runDeps();
  assertEquals(code, 1);
  assertStringIncludes(text, "deps: Cannot provide @std/path: neither JSR nor");
  assertStringIncludes(text, "503 Service Unavailable");
  assertStringIncludes(text, "npm:deno-std");

  checkout.broken = /^$/;
  assertEquals(await checkout.runDeps(), { code: 0, text: "" });
  assert(Deno.statSync(checkout.vendored(TYPES)).isFile);
});

Deno.test("deps fetches once when two run at the same time", async () => {
  await using checkout = new Checkout();
  const both = await Promise.all([checkout.runDeps(), checkout.runDeps()]);
  assertEquals(both, [{ code: 0, text: "" }, { code: 0, text: "" }]);
  assertEquals(checkout.asked.toSorted(), Object.keys(FILES).toSorted());
});
