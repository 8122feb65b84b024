/** The server of README.md, started by its command, asked as it shows. */

import { assertEquals } from "@std/assert";
import { listUnrun, PAGES, ROOT } from "../pages.ts";
import { spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const [{ code } = { code: "" }] = listUnrun("README.md");
const [, flags = ""] = /^\$ deno run (.*) server\.ts &$/m
  .exec(PAGES["README.md"]!) ?? [];

Deno.test("the server of README.md runs with the permissions it names, and answers as it says", async () => {
  using directory = new TemporaryDirectory();
  directory.writeFiles({
    "server.ts": code.replace(
      "Deno.serve(",
      `Deno.serve({
        hostname: "127.0.0.1",
        port: 0,
        onListen: ({ port }) => console.log(port),
      }, `,
    ),
  });
  await using child = spawnDeno([
    ...["run", "--no-prompt", "--no-check", `--config=${ROOT}deno.json`],
    ...flags.split(" "),
    "server.ts",
  ], { cwd: directory.path });
  const url = `http://127.0.0.1:${await child.readLine()}`;
  let cookie = "";
  const ask = async (path: string, method = "GET") => {
    const response = await fetch(url + path, { method, headers: { cookie } });
    cookie = response.headers.getSetCookie()[0]?.split(";")[0] ?? cookie;
    return await response.text();
  };
  const files = () =>
    [...Deno.readDirSync(directory.join("sessions"))]
      .filter(({ name }) => !name.startsWith(".")).length;

  assertEquals(await ask("/"), "nobody, 0 visits\n");
  assertEquals([cookie, files()], ["", 0]);
  assertEquals(await ask("/login", "POST"), "ann, 0 visits\n");
  await Promise.all(Array.from({ length: 50 }, () => ask("/visit", "POST")));
  assertEquals(await ask("/"), "ann, 50 visits\n");
  assertEquals(files(), 1);
  assertEquals(await ask("/logout", "POST"), "nobody, 0 visits\n");
  assertEquals(files(), 0);
});
