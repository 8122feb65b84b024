import { assertEquals, assertStringIncludes } from "@std/assert";
import { CookieJar } from "./cookie_jar.ts";
import { DemoServer, runDemo } from "./demo_server.ts";

Deno.test("Ctrl-C and SIGTERM end the demo with code 0", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using server = await DemoServer.start();
    // Leaves a connection open, as a browser does.
    await new CookieJar(server.url).get("/");
    server.signal(signal);
    const { code, signal: killedBy } = await server.end();
    assertEquals([code, killedBy], [0, null]);
  }
});

Deno.test("A request that is under way at Ctrl-C is answered", async () => {
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
  // The demo asks for the rest: it has the request in its hands.
  assertStringIncludes((await reader.read()).value!, "100 Continue");
  server.signal("SIGINT");
  while ((await jar.get("/icon.svg")).status !== 503); // until it has heard
  await send(connection, "name=Visitor");

  let answer = "";
  for (let chunk; !(chunk = await reader.read()).done;) answer += chunk.value;
  assertStringIncludes(answer, "200 OK");
  assertStringIncludes(answer, "Welcome! Visitor");
  assertEquals((await server.end()).code, 0);
  assertEquals(server.list().length, 1);
});

Deno.test("A session outlives the server", async () => {
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

Deno.test("Two servers on one directory serve the same sessions and lose nothing", async () => {
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

Deno.test("The demo says what keeps it from starting", async () => {
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
});

async function send(connection: Deno.Conn, text: string): Promise<void> {
  const writer = connection.writable.getWriter();
  await writer.write(new TextEncoder().encode(text));
  writer.releaseLock();
}
