import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CookieJar } from "./cookie_jar.ts";
import { DemoServer } from "./demo_server.ts";

const CHANGES: readonly [method: "GET" | "POST", path: string][] = [
  ["POST", "/login"],
  ["GET", "/logout"],
  ["POST", "/logout"],
  ["GET", "/counter"],
  ["GET", "/create_token"],
  ["GET", "/delete_old?minutes=0"],
  ["POST", "/delete_old"],
  ["GET", "/order"],
  ["POST", "/actions/login"],
  ["POST", "/actions/logout"],
  ["POST", "/actions/count"],
  ["POST", "/actions/add"],
  ["POST", "/actions/remove"],
  ["POST", "/actions/order"],
  ["POST", "/actions/regenerate"],
  ["POST", "/actions/delete_old"],
];
const VIEWS = ["/", "/login", "/check", "/check_token", "/style.css"];

Deno.test("What comes from another site changes nothing", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await jar.post("/login", { name: "Visitor" });
  await jar.post("/actions/add", { item: "tea" });
  await jar.get("/");
  const [id] = server.list() as [string];
  const before = server.read(id);

  for (
    const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "cross-site", origin: server.url },
      { origin: "http://example.com" },
      { origin: "http://localhost:1" },
      { origin: "null" },
    ]
  ) {
    for (const [method, path] of CHANGES) {
      const body = method === "POST"
        ? new URLSearchParams({ name: "x", item: "x" })
        : null;
      const { status } = await jar.send(path, { method, headers, body });
      assertEquals(status, 403, `${method} ${path}`);
    }
    for (const path of VIEWS) {
      assertEquals((await jar.get(path, headers)).status, 200, path);
    }
  }
  assertEquals(server.list(), [id]);
  assertEquals(server.read(id), before);
});

Deno.test("What comes from the page itself, from the address bar or from curl is done", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  let counter = 0;
  for (
    const headers of [
      { "sec-fetch-site": "same-origin", origin: server.url },
      { "sec-fetch-site": "none" },
      { origin: server.url },
      {},
    ]
  ) {
    const { status, text } = await jar.get("/counter", headers);
    assertEquals(status, 200);
    assertStringIncludes(text, `Counter: ${++counter}<`);
  }
});

Deno.test("An unknown path is 404, a wrong method 405", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  for (const path of ["/none", "/login/", "//", "/constructor", "/../x"]) {
    assertEquals((await jar.get(path)).status, 404, path);
  }
  for (
    const [method, path, allow] of [
      ["POST", "/", "GET, HEAD"],
      ["GET", "/actions/login", "POST"],
      ["PUT", "/login", "GET, HEAD, POST"],
      ["DELETE", "/counter", "GET, HEAD"],
      ["OPTIONS", "/", "GET, HEAD"],
    ] as const
  ) {
    const { status, headers } = await jar.send(path, { method });
    assertEquals([status, headers.get("allow")], [405, allow]);
  }
  assertEquals(server.list(), []);
});

Deno.test("A form that is too large or no form is refused", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  const large = await jar.post("/login", { name: "x".repeat(100_000) });
  assertEquals(large.status, 413);
  const body = new FormData();
  body.set("name", "Visitor");
  const other = await jar.send("/login", { method: "POST", body });
  assertEquals(other.status, 415);
  assertEquals(server.list(), []);
});

Deno.test("Every answer says what a browser may do with it", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  for (const path of [...VIEWS, "/none", "/counter"]) {
    const { headers } = await jar.get(path);
    const policy = headers.get("content-security-policy") ?? "";
    assertStringIncludes(policy, "default-src 'none'");
    assertStringIncludes(policy, "frame-ancestors 'none'");
    assertEquals(policy.includes("unsafe"), false);
    assertEquals(headers.get("cache-control"), "no-store");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
  }
  const { headers, text } = await jar.get("/");
  // Deno itself adds what it can compress by, or does not.
  assert(headers.get("vary")?.split(", ").includes("Cookie"));
  assertEquals(/\bstyle=|\bon\w+=|<script|https?:/.test(text), false, text);
});
