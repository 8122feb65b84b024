import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CARDS } from "../../src/demo/cards.ts";
import { CookieJar } from "./cookie_jar.ts";
import { CERT, DemoServer, KEY, runDemo } from "./demo_server.ts";

/** Requests that change something. */
const CHANGES: readonly (readonly ["GET" | "POST", path: string])[] = [
  ["POST", "/login"],
  ["GET", "/logout"],
  ["POST", "/logout"],
  ["GET", "/counter"],
  ["GET", "/create_token"],
  ["GET", "/delete_old?minutes=0"],
  ["POST", "/delete_old"],
  ["GET", "/order"],
  ...CARDS.flatMap(({ actions }) => Object.keys(actions))
    .map((name) => ["POST", `/actions/${name}`] as const),
];
/** Pages that change nothing. */
const VIEWS = [
  "/",
  "/login",
  "/check",
  "/check_token",
  "/style.css",
  "/favicon.ico",
];

Deno.test("the demo ends with code 0 at Ctrl-C and SIGTERM", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using server = await DemoServer.start();
    // Leaves a connection open, as a browser does.
    await new CookieJar(server.url).get("/");
    server.signal(signal);
    const { code, signal: killedBy } = await server.end();
    assertEquals([code, killedBy], [0, undefined]);
  }
});

Deno.test("the demo answers a request that is under way at Ctrl-C", async () => {
  await using server = await DemoServer.start();
  const { hostname, port } = new URL(server.url);
  const jar = new CookieJar(server.url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await send(
    connection,
    `POST /login HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
      "Content-Type: application/x-www-form-urlencoded\r\n" +
      "Content-Length: 12\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
  );
  const text = connection.readable.pipeThrough(new TextDecoderStream());
  const reader = text.getReader();
  // The demo asks for the body: it has begun to work on the request.
  assertStringIncludes((await reader.read()).value!, "100 Continue");
  server.signal("SIGINT");
  while ((await jar.get("/icon.svg")).status !== 503); // until it ends
  await send(connection, "name=Visitor");

  let answer = "";
  for (let chunk; !(chunk = await reader.read()).done;) answer += chunk.value;
  assertStringIncludes(answer, "200 OK");
  assertStringIncludes(answer, "Welcome! Visitor");
  assertEquals((await server.end()).code, 0);
  assertEquals(server.list().length, 1);
});

Deno.test("the demo ends at the first SIGTERM, also when a request never ends", async () => {
  await using server = await DemoServer.start();
  const { hostname, port } = new URL(server.url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await send(
    connection,
    `POST /login HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
      "Content-Length: 12\r\nExpect: 100-continue\r\n\r\n",
  );
  assertStringIncludes(await readText(connection), "100 Continue");
  server.signal("SIGTERM");
  const { code, signal, stderr } = await server.end();
  assertEquals([code, signal], [1, undefined]);
  assertStringIncludes(stderr, "requests that take too long");
});

Deno.test("the demo answers its own host, localhost and addresses, and refuses any other name", async () => {
  await using server = await DemoServer.start();
  const jar = new CookieJar(server.url);
  await jar.post("/login", { name: "Visitor" });
  const { hostname, port } = new URL(server.url);
  const ask = async (method: string, path: string, host: string) => {
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const body = "minutes=0";
    await send(
      connection,
      `${method} ${path} HTTP/1.1\r\n${host}Connection: close\r\n` +
        `Cookie: ${jar.cookie}\r\nContent-Length: ${body.length}\r\n` +
        "Content-Type: application/x-www-form-urlencoded\r\n" +
        // As a browser says of a page of the name that leads here.
        `Sec-Fetch-Site: same-origin\r\n\r\n${body}`,
    );
    return /^HTTP\/1.1 (\d+)/.exec(await readText(connection))?.[1];
  };
  for (
    const host of [
      `rebound.example:${port}`,
      "rebound.example",
      `localhost.rebound.example:${port}`,
      `127.0.0.1.rebound.example:${port}`,
      `localhost.:${port}`,
      "[localhost]",
      "",
    ]
  ) {
    for (const path of ["/", "/delete_old?minutes=0", "/style.css"]) {
      const status = await ask("GET", path, `Host: ${host}\r\n`);
      assertEquals(status?.startsWith("4"), true, `${host}${path}: ${status}`);
    }
    await ask("POST", "/actions/delete_old", `Host: ${host}\r\n`);
    assertEquals(server.list().length, 1, host);
  }
  for (
    const host of [
      `localhost:${port}`,
      "LOCALHOST",
      `127.0.0.1:${port}`,
      "10.0.0.1",
      "[::1]:8080",
    ]
  ) {
    assertEquals(await ask("GET", "/", `Host: ${host}\r\n`), "200", host);
  }
});

Deno.test("a session outlives the server", async () => {
  await using first = await DemoServer.start();
  const jar = new CookieJar(first.url);
  await jar.post("/login", { name: "Visitor" });
  await jar.get("/counter");
  first.signal("SIGKILL");
  await first.end();

  await using second = await DemoServer.start(first);
  jar.url = second.url;
  assertStringIncludes((await jar.get("/")).text, "Hello, Visitor!");
  assertStringIncludes((await jar.get("/counter")).text, "Counter: 2<");
});

Deno.test("two servers on one directory serve the same sessions and lose nothing", async () => {
  await using first = await DemoServer.start();
  await using second = await DemoServer.start(first);
  const jar = new CookieJar(first.url);
  await jar.post("/login", { name: "Visitor" });
  const other = jar.copy();
  other.url = second.url;
  await Promise.all(Array.from({ length: 50 }, async () => {
    await Promise.all([jar, other].map((each) => each.get("/counter")));
    await Promise.all([jar, other].map((each) => each.post("/actions/count")));
  }));
  assertStringIncludes((await other.get("/check")).text, "\ncounter: 200\n");
});

Deno.test("the demo reports why it cannot start", async () => {
  await using server = await DemoServer.start();
  const { port } = new URL(server.url);
  const taken = await runDemo(["--port", port, "--at", server.directory], [
    "--allow-net=localhost",
    `--allow-read=${server.directory}`,
    `--allow-write=${server.directory}`,
  ]);
  assertEquals(taken, {
    code: 1,
    stdout: "",
    stderr:
      `Cannot listen at localhost:${port}: the port is taken (--port 0 finds a free one)\n`,
  });

  const file = `${server.directory}/.file`;
  Deno.writeTextFileSync(file, "");
  const noDirectory = await runDemo(["--port", "0", "--at", file], [
    "--allow-net=localhost",
    `--allow-read=${file}`,
    `--allow-write=${file}`,
  ]);
  assertEquals([noDirectory.code, noDirectory.stdout], [1, ""]);
  assertStringIncludes(noDirectory.stderr, "it is not a directory");

  // The other way round.
  const noCertificate = await runDemo([
    ...["--port", "0", "--at", server.directory],
    ...["--cert", KEY, "--key", CERT],
  ], [
    "--allow-net=localhost",
    `--allow-read=${[server.directory, CERT, KEY]}`,
    `--allow-write=${server.directory}`,
  ]);
  assertEquals(noCertificate, {
    code: 1,
    stdout: "",
    stderr:
      "Cannot listen over https: No certificates found in certificate data (--cert and --key name files in PEM)\n",
  });
});

Deno.test("a request from another site changes nothing", async () => {
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

Deno.test("a request from the page, the address bar or curl is answered", async () => {
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

Deno.test("an unknown path is 404, a wrong method 405", async () => {
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

Deno.test("a form that is too large or of another type is refused", async () => {
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

Deno.test("every response has the headers that restrict the browser", async () => {
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
  // Deno adds Accept-Encoding when it can compress the response.
  assert(headers.get("vary")?.split(", ").includes("Cookie"));
  assertEquals(/\bstyle=|\bon\w+=|<script|https?:/.test(text), false, text);
});

async function send(connection: Deno.Conn, text: string): Promise<void> {
  const writer = connection.writable.getWriter();
  await writer.write(new TextEncoder().encode(text));
  writer.releaseLock();
}

/** Reads what a connection brings next. */
async function readText(connection: Deno.Conn): Promise<string> {
  const bytes = new Uint8Array(64 * 1024);
  const length = await connection.read(bytes);
  return new TextDecoder().decode(bytes.subarray(0, length ?? 0));
}
