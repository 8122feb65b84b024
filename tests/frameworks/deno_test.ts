/** The scenario without a framework, and in each way in which a server is shipped. */

import { assertEquals, assertFalse } from "@std/assert";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { CONFIG, startServer, testServer } from "./deno_serve.ts";
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

testServer("deno serve", { start: () => startShipped(SERVER) });

testServer("deno serve --parallel", {
  start: () => startShipped(SERVER, ["--parallel"]),
});

for (const [bundler, makeArguments] of Object.entries(BUNDLERS)) {
  testServer(`a bundle of ${bundler}`, {
    async start() {
      using directory = new TemporaryDirectory();
      const to = directory.join("server.js");
      const { code, stderr } = await spawnDeno(makeArguments(to)).end();
      assertEquals(code, 0, stderr);
      return await startShipped(to);
    },
  });
}

Deno.test("deno serve --parallel: more than one thread answers", async () => {
  await using application = await startShipped(SERVER, ["--parallel"]);
  const threads = new Set<string | null>();
  // Which thread gets a connection is the system's choice.
  while (threads.size < 2) {
    const response = await fetch(`${application.url}/public`, {
      headers: { connection: "close" },
    });
    await response.body?.cancel();
    threads.add(response.headers.get("x-thread"));
  }
  assertFalse(threads.has(null));
});

/** Starts the server, with a directory for its sessions. */
async function startShipped(
  path: string,
  flags: readonly string[] = [],
): Promise<Application> {
  await using stack = new AsyncDisposableStack();
  const { path: sessions } = stack.use(new TemporaryDirectory());
  const { url } = stack.use(
    await startServer(path, {
      flags: [
        CONFIG,
        "--unstable-broadcast-channel",
        `--allow-read=${sessions}`,
        `--allow-write=${sessions}`,
        ...flags,
      ],
      args: [sessions],
    }),
  );
  const kept = stack.move();
  return { url, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
