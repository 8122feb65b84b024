/**
 * A server bundled into one file has `mod.ts` among its modules. When it is
 * run, it must serve, and not be the command line.
 */
import { assertEquals } from "@std/assert";
import { spawn, spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

const SERVER = `
import { MemorySessionStore, SessionManager } from "${ROOT}mod.ts";
const sessions = new SessionManager({ store: new MemorySessionStore() });
const server = Deno.serve(
  {
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(\`http://127.0.0.1:\${port}/\`),
  },
  sessions.handler((_request, session) => {
    session.set("visits", 1);
    return new Response("served", { headers: { connection: "close" } });
  }),
);
Deno.stdin.readable.pipeTo(new WritableStream()).then(() => server.shutdown());
`;

const BUNDLERS: Readonly<
  Record<string, (from: string, to: string) => string[]>
> = {
  "deno bundle": (from, to) => [
    "bundle",
    "--quiet",
    `--config=${ROOT}deno.json`,
    `--output=${to}`,
    from,
  ],
  // As bundlers do that leave packages out of the bundle.
  "npm:esbuild": (from, to) => [
    "run",
    "--quiet",
    "--no-lock",
    "--allow-all", // it starts a program of its own
    "npm:esbuild@0.28.2",
    "--bundle",
    "--format=esm",
    "--platform=node",
    "--packages=external",
    "--log-level=error",
    `--outfile=${to}`,
    from,
  ],
};

for (const [name, bundle] of Object.entries(BUNDLERS)) {
  Deno.test(`a server bundled by ${name} serves a page`, async () => {
    using directory = new TemporaryDirectory();
    const [from, to] = [directory.join("server.ts"), directory.join("mod.js")];
    Deno.writeTextFileSync(from, SERVER);
    const { code, stderr } = await spawnDeno(bundle(from, to)).end();
    assertEquals(code, 0, stderr);

    await using server = spawn(to, [], {
      flags: [`--config=${ROOT}deno.json`, "--allow-net=127.0.0.1"],
    });
    const url = await server.readLine();
    const response = await fetch(url!);
    assertEquals(await response.text(), "served");
    assertEquals(response.headers.getSetCookie().length, 1);
    assertEquals((await server.end()).code, 0);
  });
}
