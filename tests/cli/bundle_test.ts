/**
 * A server that was bundled, and so holds `mod.ts` among its own modules, is
 * the server and not our command line.
 */
import { assertEquals } from "@std/assert";
import { readLine } from "../demo/demo_server.ts";
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
  // As a bundler has it that leaves packages where they are.
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
    const [from, to] = [directory.join("server.ts"), directory.join("out.js")];
    Deno.writeTextFileSync(from, SERVER);
    await run(bundle(from, to));

    await using server = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", `--config=${ROOT}deno.json`],
        ...["--allow-net=127.0.0.1", to],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const url = await readLine(server.stdout);
    const response = await fetch(url);
    assertEquals(await response.text(), "served");
    assertEquals(response.headers.getSetCookie().length, 1);
    await server.stdin.close();
    assertEquals((await server.status).code, 0);
  });
}

async function run(args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
  }).output();
  assertEquals(success, true, new TextDecoder().decode(stderr));
}
