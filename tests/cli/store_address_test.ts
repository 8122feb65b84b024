import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Console, SYSTEM } from "../../src/cli/console.ts";
import { connectStore, openStore } from "../../src/cli/open_store.ts";
import { readAddress } from "../../src/cli/store_address.ts";
import { UsageError } from "../../src/cli/usage.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const console = new Console(SYSTEM);

Deno.test("readAddress() takes a path for what lies there", async () => {
  using place = new TemporaryDirectory();
  using store = new SqliteSessionStore(place.join("a.db"));
  await store.setup();
  place.writeFiles({ "text": "SQLite format 2", "empty": "" });
  const kindOf = (name: string) => readAddress(place.join(name), "STORE").kind;
  assertEquals(kindOf("."), "directory");
  assertEquals(kindOf("a.db"), "sqlite");
  for (const name of ["text", "empty"]) {
    assertThrows(
      () => kindOf(name),
      Error,
      "neither a directory nor an SQLite",
    );
  }
  for (const name of ["missing", "text/below"]) {
    const path = place.join(name);
    const error = assertThrows(() => kindOf(name), Error, "STORE is missing");
    assertEquals(
      error.message.endsWith(`(write directory:${path} or sqlite:${path})`),
      true,
    );
  }
  // It may be made, but what it is to be must be said.
  assertThrows(() => readAddress(place.join("new"), "TO", true), UsageError);
});

Deno.test("readAddress() reads each scheme, and hides a password", () => {
  using place = new TemporaryDirectory();
  const { path } = place;
  const missing = `${path}/missing`;
  const file = place.join("kv");
  place.writeFiles({ kv: "" });
  for (
    const [text, kind, where, name] of [
      [`directory:${path}`, "directory", path, `directory:${path}`],
      [`kv:${file}`, "kv", file, `kv:${file}`],
      ["redis://h:1/2", "redis", "redis://h:1/2", "redis://h:1/2"],
      ["rediss://u:p@h", "redis", "rediss://u:p@h", "rediss://u:***@h"],
      ["redis://:p@h", "redis", "redis://:p@h", "redis://:***@h"],
      [
        "postgres://u:p@h/d",
        "postgres",
        "postgres://u:p@h/d",
        "postgres://u:***@h/d",
      ],
      [
        "postgresql://h/d?user=u&password=p",
        "postgres",
        "postgresql://h/d?user=u&password=p",
        "postgresql://h/d?user=u&password=***",
      ],
    ] as const
  ) assertEquals(readAddress(text, "STORE"), { kind, where, name });
  for (const kind of ["directory", "sqlite", "kv"]) {
    const text = `${kind}:${missing}`;
    assertThrows(() => readAddress(text, "STORE"), Error, "STORE is missing");
    assertEquals(readAddress(text, "TO", true).where, missing);
  }
});

Deno.test("readAddress() refuses what is no address, without its password", () => {
  for (
    const [text, reason] of [
      ["mysql://u:p@h/d", "an unknown scheme: mysql://u:***@h/d"],
      ["constructor:x", "an unknown scheme: constructor:x"],
      ["redis:h", "STORE is not a URL: redis:h"],
      ["postgres://u:a/b@h:x/d", "STORE is not a URL: postgres://u:***@h:x/d"],
      ["sqlite:", "STORE is not a path"],
      ["sqlite::memory:", "write sqlite:./:memory:"],
      ["kv:file:a", "write kv:./file:a"],
    ] as const
  ) assertThrows(() => readAddress(text, "STORE"), UsageError, reason);
});

Deno.test("readAddress() refuses a directory for a database", () => {
  using place = new TemporaryDirectory();
  const { path } = place;
  for (const kind of ["sqlite", "kv"]) {
    for (const mayBeMissing of [false, true]) {
      assertThrows(
        () => readAddress(`${kind}:${path}`, "TO", mayBeMissing),
        Error,
        `TO is a directory: ${path} (write directory:${path})`,
      );
    }
  }
});

Deno.test("a server that accepts a connection and says nothing does not hold a command", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  const { port } = listener.addr;
  const child = spawn("mod.ts", ["doctor", `redis://127.0.0.1:${port}`], {
    flags: [`--allow-net=127.0.0.1:${port}`],
  });
  const { code, stdout } = await child.end();
  assertEquals(code, 1);
  assertStringIncludes(stdout, "the server does not answer: waited 10 s");
  assertStringIncludes(stdout, "look whether the server runs");
  listener.close();
  await accepting;
  for (const connection of connections) connection.close();
});

Deno.test("readAddress() takes one letter before a colon for a drive of Windows", () => {
  assertThrows(() => readAddress("C:\\sessions", "STORE"), Error, "is missing");
});

Deno.test("a Deno.Kv without --unstable-kv says that it needs the flag", async () => {
  using place = new TemporaryDirectory();
  place.writeFiles({ a: "" });
  const address = `kv:${place.join("a")}`;
  // As where the flag is missing; the configuration of this repository has it.
  const { openKv } = Deno;
  Reflect.deleteProperty(Deno, "openKv");
  try {
    await assertRejects(
      () => connectStore(readAddress(address, "STORE"), {}, { console }),
      Error,
      `Cannot open ${address}: Deno.Kv needs --unstable-kv, after \`deno run\``,
    );
  } finally {
    Deno.openKv = openKv;
  }
});

Deno.test("a store that is opened as another kind, or as any database, stays as it is", async () => {
  using place = new TemporaryDirectory();
  {
    using store = new SqliteSessionStore(place.join("ours.db"));
    await store.setup();
    using other = new SqliteSessionStore(place.join("other.db"), {
      table: "other",
    });
    await other.setup();
  }
  const files = ["ours.db", "other.db"].map((name) => place.join(name));
  const read = () => files.map((path) => Deno.readFileSync(path));
  const before = read();
  const directory = place.join("directory");
  Deno.mkdirSync(directory);
  for (
    const [address, reason] of [
      [`kv:${files[0]}`, "it is not a Deno.Kv"],
      [files[1]!, "it has no table latchkey_sessions (a Deno.Kv is written"],
      [directory, "no sessions were ever kept there"],
    ] as const
  ) {
    await assertRejects(
      () => openStore(address, {}, console),
      Error,
      reason,
    );
  }
  assertEquals(read(), before);
  assertEquals([...Deno.readDirSync(directory)], []);
});
