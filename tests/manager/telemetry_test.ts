/** Spans and metrics, as Deno exports them to a collector. */

import { assertEquals } from "@std/assert";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { attributeOf, Collector } from "./collector.ts";

Deno.test("a collector sees the trace of each request, and how often what happened", async () => {
  await using collector = new Collector();
  using directory = new TemporaryDirectory();
  await using server = spawn(
    "tests/manager/telemetry_server.ts",
    [directory.path],
    {
      paths: [directory.path],
      flags: ["--allow-net=127.0.0.1"],
      env: collector.env,
    },
  );
  const port = await server.readLine();
  const did = (path: string) => collector.describe(path)[0];
  const visit = async (path: string, cookie = "") => {
    const url = `http://127.0.0.1:${port}${path}`;
    const response = await fetch(url, { headers: { cookie } });
    await response.body!.cancel();
    return response.headers.getSetCookie()[0]?.split(";")[0] ?? cookie;
  };
  const cookie = await visit("/begin");
  await visit("/visit", cookie);
  await visit("/look", cookie);
  const [id, secret] = [cookie.slice(-54, -22), cookie.slice(-22)];
  await visit("/wrong", `${cookie.slice(0, -22)}${"A".repeat(22)}`);
  await visit("/gone", cookie);
  await visit("/ended", cookie);
  const { code, stderr } = await server.end();
  assertEquals([code, stderr], [0, ""]);

  const create = ["session commit: committed", "session store create: created"];
  assertEquals(did("/begin"), ["session open: none", create]);
  assertEquals(did("/visit"), [
    ["session open: hit", "session store load: hit"],
    ["session commit: committed", "session store update: updated"],
  ]);
  assertEquals(did("/look"), [
    ["session open: hit", "session store load: hit"],
  ]);
  assertEquals(did("/wrong"), [
    ["session open: wrong_secret", "session store load: hit"],
    create,
  ]);
  assertEquals(did("/gone"), [
    ["session open: hit", "session store load: hit"],
    "session store delete: deleted",
    ["session commit: refused", "session store update: miss"],
  ]);
  assertEquals(did("/ended"), [
    ["session open: miss", "session store load: miss"],
    create,
  ]);
  const failed = collector.spans.filter(({ status }) => status.code === 2);
  assertEquals(
    failed.map((span) => [span.name, attributeOf(span, "error.type")]),
    [["session commit", "SessionGoneError"]],
  );

  assertEquals(collector.countsOf("open.duration"), {
    none: 1,
    hit: 3,
    wrong_secret: 1,
    miss: 1,
  });
  assertEquals(collector.countsOf("commit.duration"), {
    committed: 4,
    refused: 1,
  });
  assertEquals(collector.countsOf("store.duration"), {
    "load hit": 4,
    "load miss": 1,
    "create created": 3,
    "update updated": 1,
    "update miss": 1,
    "delete deleted": 1,
  });
  const all = collector.bodies.join();
  for (const hidden of [id, secret]) {
    assertEquals(all.includes(hidden), false, hidden);
  }
});
