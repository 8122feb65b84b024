/** What junk costs: no file, no record, no call of the system that is not due. */

import { assert, assertEquals } from "@std/assert";
import { readCookie } from "../../src/http/cookie.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { recordSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { Browser, serve, STORES } from "./session_server.ts";
import { BAD_COOKIES, requestWith } from "./set_up.ts";

const UNKNOWN = `latchkey=${"0123456789abcdef".repeat(2)}${"A".repeat(22)}`;

async function setUp() {
  const directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.setup();
  return { directory, manager: new SessionManager({ store }) };
}

Deno.test("a malformed cookie costs no call of the system, a well-formed unknown one costs one open", async () => {
  const { directory, manager } = await setUp();
  using _directory = directory;
  using system = recordSystem(directory.path);
  const requests = [...BAD_COOKIES, null].map((cookie) => requestWith(cookie));
  for (const request of requests) {
    assert((await manager.open(request)).isNew);
    assertEquals(system.take(), []);
  }
  assert((await manager.open(requestWith(UNKNOWN))).isNew);
  assertEquals(system.take(), ["open session"]);
});

Deno.test("a client that only reads leaves no file, whatever it sends", async () => {
  const { directory, manager } = await setUp();
  using _directory = directory;
  const before = [...Deno.readDirSync(directory.path)].map(({ name }) => name);
  for (const cookie of [...BAD_COOKIES, null, UNKNOWN]) {
    const session = await manager.open(requestWith(cookie));
    session.get("cart");
    session.flash("notice");
    session.hasFormToken("0".repeat(22));
    session.delete("cart");
    assert([...session.entries()].length === 0 && !session.hasInfo);
    const headers = new Headers();
    await manager.commit(session, headers);
    assertEquals([...headers], [["vary", "Cookie"]]);
  }
  const after = [...Deno.readDirSync(directory.path)].map(({ name }) => name);
  assertEquals(after, before);
});

for (const medium of STORES) {
  Deno.test(`many readers with junk at once leave no record and get no cookie: ${medium}`, async () => {
    await using server = await serve(medium, {
      "/": (session) => new Response(`${session.get("n")} ${session.isNew}`),
    });
    // What `fetch` takes for a header.
    const sendable = BAD_COOKIES.filter((cookie) =>
      /^[\t -~]*$/.test(cookie) && cookie.length < 1_000
    );
    await Promise.all([...sendable, UNKNOWN].map(async (cookie) => {
      const browser = new Browser(server, cookie);
      assertEquals(await browser.get("/"), "undefined true");
      assertEquals(browser.cookie, cookie);
    }));
    assertEquals(await server.records(), new Map());
  });
}

Deno.test("a cookie among a hundred is found; a name that repeats endlessly is ignored", () => {
  const others = Array.from({ length: 127 }, (_, at) => `xs=${at}`).join("; ");
  assertEquals(readCookie(`${others}; s=1`, "s"), ["1"]);
  assertEquals(readCookie("s=1; ".repeat(128), "s").length, 128);
  assertEquals(readCookie("s=1; ".repeat(129), "s"), []);
  assertEquals(readCookie(`${others}; xs=1; s=1`, "s"), []);
  for (
    const [blanks, found] of [[0, 1], [32, 1], [33, 0]] as const
  ) {
    const header = `a=b;${" ".repeat(blanks)}s=1`;
    assertEquals(readCookie(header, "s").length, found);
  }
});

Deno.test("readCookie() reads only a part of a header that repeats the name", () => {
  let finds = 0;
  const header = "latchkey=;".repeat(6_000);
  const counted = {
    length: header.length,
    indexOf: (text: string, from?: number) => {
      finds++;
      return header.indexOf(text, from);
    },
    charCodeAt: (at: number) => header.charCodeAt(at),
    slice: (from: number, to: number) => header.slice(from, to),
  };
  assertEquals(
    readCookie(counted as unknown as string, "latchkey"),
    [],
  );
  assert(finds < 300, `${finds}`);
});
