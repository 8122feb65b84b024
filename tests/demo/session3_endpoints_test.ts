import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { MINUTE } from "../constants.ts";
import { setLastAccess } from "../session_file.ts";
import { CookieJar } from "./cookie_jar.ts";
import { DemoServer } from "./demo_server.ts";

Deno.test("the endpoints of session3 answer with its texts", async (test) => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);

  await test.step("before a login", async () => {
    assertStringIncludes((await jar.get("/")).text, "Not logged in");
    const { text, headers } = await jar.get("/check");
    assertEquals(headers.get("content-type"), "text/plain; charset=utf-8");
    assertMatch(text, /^session_id: None\nuser: None\ncounter: N\/A\n/);
    assertStringIncludes(text, "\nhas_info: False\n");
    assertStringIncludes(text, "\nhas_form_tokens: False\n");
    assertEquals(server.list(), []);
    assertEquals(jar.cookie, undefined);
  });

  await test.step("at a login", async () => {
    const { status, text } = await jar.post("/login", { name: "TestUser" });
    assertEquals(status, 200);
    assertStringIncludes(text, "Welcome! TestUser");
    const home = (await jar.get("/")).text;
    assertStringIncludes(home, "Hello, TestUser!");
    assertEquals(home.includes("Not logged in"), false);
    assertEquals(server.list().length, 1);
  });

  await test.step("at the counter, from 1", async () => {
    assertStringIncludes((await jar.get("/counter")).text, "Counter: 1<");
    assertStringIncludes((await jar.get("/counter")).text, "Counter: 2<");
  });

  await test.step("about form tokens", async () => {
    const before = (await jar.get("/check_token")).text;
    assertStringIncludes(before, "\nhas_form_tokens: False\n");
    assertStringIncludes(
      (await jar.get("/create_token")).text,
      "Token created: ",
    );
    const { text } = await jar.get("/check_token");
    assertStringIncludes(text, "\nhas_form_tokens: True\n");
    assertStringIncludes(text, "\nform_token_count: 1\n");
  });

  await test.step("at a check", async () => {
    const { text } = await jar.get("/check");
    assertEquals(text.split("\n").map((line) => line.split(": ")), [
      ["session_id", server.list()[0]!],
      ["user", "TestUser"],
      ["counter", "2"],
      ["has_info", "TestUser"],
      ["form_tokens_count", "1"],
      ["has_form_tokens", "True"],
      ["Access time", text.match(/\d{4}-\d\d-\d\dT[\d:.]+Z/)![0]],
      [""],
    ]);
  });

  await test.step("at a logout, after which there is no session file", async () => {
    const { status, text } = await jar.get("/logout");
    assertEquals(status, 200);
    assertStringIncludes(text, "Goodbye!");
    assertEquals(server.list(), []);
    assertEquals(jar.cookie, undefined);
    assertStringIncludes((await jar.get("/")).text, "Not logged in");
  });
});

Deno.test("/counter creates a session if there is none", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  assertStringIncludes((await jar.get("/counter")).text, "Counter: 1<");
  assertStringIncludes((await jar.get("/counter")).text, "Counter: 2<");
  assertStringIncludes((await jar.get("/")).text, "Not logged in");
  assertStringIncludes((await jar.get("/check")).text, "\nhas_info: True\n");
  assertEquals(server.list().length, 1);
});

Deno.test("/delete_old deletes the sessions that were not accessed for so many minutes", async () => {
  await using server = await DemoServer.start();
  const jars = [1, 2, 3].map(() => new CookieJar(server.url));
  const [jar] = jars as [CookieJar];
  for (const each of jars) await each.post("/login", { name: "TestUser" });
  const path = `${server.directory}/${server.list()[0]!}`;
  setLastAccess(path, Date.now() - 40 * MINUTE);

  const { status } = await jar.get("/delete_old?minutes=soon");
  assertEquals([status, server.list().length], [400, 3]);
  const first = await jar.get("/delete_old?minutes=30");
  assertStringIncludes(first.text, "Deleted: 1, Remaining: 2<");
  const second = await jar.get("/delete_old?minutes=0");
  assertStringIncludes(second.text, "Deleted: 2, Remaining: 0<");
  assertEquals(server.list(), []);
  for (const each of jars) {
    assertStringIncludes((await each.get("/")).text, "Not logged in");
  }
});

Deno.test("a session whose file was removed does not exist", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await jar.post("/login", { name: "TestUser" });
  const [id] = server.list() as [string];
  Deno.removeSync(`${server.directory}/${id}`);

  const { status, text } = await jar.get("/check");
  assertEquals(status, 200);
  assertStringIncludes(text, "user: None\n");
  await jar.post("/login", { name: "TestUser" });
  const after = (await jar.get("/check")).text;
  assertStringIncludes(after, "user: TestUser\n");
  assertEquals(after.includes(id), false);
});
