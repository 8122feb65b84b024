/** The scenario without a framework, and in each way in which a server is shipped. */

import { assert, assertEquals } from "@std/assert";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { CONFIG, startServer } from "./deno_serve.ts";
import { handler } from "./examples/deno.ts";
import { sessions } from "./examples/sessions.ts";
import { makePlainApp } from "./plain_app.ts";
import { type Application, serveHandler, testFramework } from "./scenario.ts";

const HERE = new URL("./", import.meta.url).pathname;
const SERVER = `${HERE}shipped_server.ts`;

/** How each bundler is started. */
const BUNDLERS: Readonly<Record<string, (to: string) => string[]>> = {
  "deno bundle": (to) => [
    "bundle",
    "--quiet",
    CONFIG,
    `--output=${to}`,
    SERVER,
  ],
  // It knows no import maps.
  esbuild: (to) => [
    "run",
    "--quiet",
    "--no-lock",
    "--allow-all", // it starts a program of its own
    "npm:esbuild@0.28.2",
    "--bundle",
    "--minify",
    "--format=esm",
    "--platform=node",
    "--packages=external",
    `--alias:@latchkey/session=${HERE}../../mod.ts`,
    "--log-level=error",
    `--outfile=${to}`,
    SERVER,
  ],
};

const app = makePlainApp(sessions);

testFramework("Deno.serve", {
  start: () =>
    serveHandler((request) =>
      request.url.endsWith("/visit") ? handler(request) : app(request)
    ),
});

testShipped("deno serve", SERVER);
testShipped("deno serve --parallel", SERVER, ["--parallel"]);

for (const [bundler, makeArguments] of Object.entries(BUNDLERS)) {
  const directory = Deno.makeTempDirSync({ prefix: "latchkey-" });
  const to = `${directory}/server.js`;
  Deno.test.beforeAll(async () => {
    const { code, stderr } = await spawnDeno(makeArguments(to)).end();
    assertEquals(code, 0, stderr);
  });
  Deno.test.afterAll(() => Deno.remove(directory, { recursive: true }));
  testShipped(`a bundle of ${bundler}`, to);
}

Deno.test("deno serve --parallel: more than one thread answers", async () => {
  using directory = new TemporaryDirectory();
  await using application = await start(directory, SERVER, ["--parallel"]);
  const threads = new Set<string | null>();
  // Which thread gets a connection is the system's choice.
  while (threads.size < 2) {
    const response = await fetch(`${application.url}/public`, {
      headers: { connection: "close" },
    });
    await response.body?.cancel();
    threads.add(response.headers.get("x-thread"));
  }
  assert(!threads.has(null));
});

function testShipped(
  name: string,
  path: string,
  flags: readonly string[] = [],
): void {
  testFramework(name, {
    async start() {
      const directory = new TemporaryDirectory();
      const application = await start(directory, path, flags);
      return {
        url: application.url,
        async [Symbol.asyncDispose]() {
          await application[Symbol.asyncDispose]();
          directory[Symbol.dispose]();
        },
      };
    },
  });
}

async function start(
  { path: directory }: TemporaryDirectory,
  path: string,
  flags: readonly string[],
): Promise<Application> {
  return await startServer(path, [
    CONFIG,
    "--unstable-broadcast-channel",
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
    ...flags,
  ], [directory]);
}
