/** The comment of mod.ts, which JSR shows first: its server is run, its names exist. */

import { assert, assertEquals } from "@std/assert";
import * as module from "../../mod.ts";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

const [, comment = ""] = /^\/\*\*\n([\s\S]*?)\n \*\/\n/
  .exec(Deno.readTextFileSync(`${ROOT}mod.ts`))!;
const text = comment.replaceAll(/^ \* ?/gm, "");
const [, server = ""] = /^```ts ignore\n([\s\S]*?)^```$/m.exec(text)!;

Deno.test("the server in the comment of mod.ts runs, and is short", async () => {
  const lines = server.trim().split("\n");
  assert(lines.filter((line) => line !== "").length <= 16);
  using directory = new TemporaryDirectory();
  directory.writeFiles({
    "server.ts": server
      .replace('"@latchkey/session"', `"${ROOT}mod.ts"`)
      .replace(
        "Deno.serve(",
        `Deno.serve({
          hostname: "127.0.0.1",
          port: 0,
          onListen: ({ port }) => console.log(port),
        }, `,
      ),
  });
  const paths = `${directory.path}/sessions`;
  await using child = spawnDeno([
    "run",
    "--quiet",
    "--no-prompt",
    `--config=${ROOT}deno.json`,
    "--allow-net",
    `--allow-read=${paths}`,
    `--allow-write=${paths}`,
    "server.ts",
  ], { cwd: directory.path });
  const port = await child.readLine();
  let cookie = "";
  const ask = async (method: string, path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { cookie },
    });
    cookie = response.headers.getSetCookie()[0]?.split(";")[0] ?? cookie;
    return await response.text();
  };
  assertEquals(await ask("GET", "/"), "not signed in");
  assertEquals(await ask("POST", "/login"), "ann");
  assertEquals(await ask("POST", "/visit"), "ann: visit 1");
  assertEquals(await ask("POST", "/visit"), "ann: visit 2");
  await ask("POST", "/logout");
  assertEquals(await ask("GET", "/"), "not signed in");
});

Deno.test("the comment of mod.ts links to every store and adapter, and to nothing that is not there on JSR", () => {
  const links = [...text.matchAll(/\{@linkcode (\w+)\}/g)]
    .map(([, name]) => name!);
  const named = Object.keys(module).filter((name) =>
    /Sessions?(Store|Storage)?$/.test(name)
  );
  const types = ["SessionEngine"];
  for (const name of named) assert(links.includes(name), name);
  for (const name of links) {
    assert(name in module || types.includes(name), name);
  }
  // A path leads nowhere there.
  for (const [, target] of text.matchAll(/\]\(([^)]*)\)/g)) {
    assert(target!.startsWith("https://"), target);
  }
});
