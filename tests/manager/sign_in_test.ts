/** Requests that are signed in without a login page, over a real socket. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { signIn } from "../../src/manager/sign_in.ts";
import { SEALING } from "../constants.ts";
import { type Route, serve, STORES } from "./session_server.ts";

const shows: Route = (session) =>
  Response.json([session.user, session.get("n") ?? null]);
const counts: Route = (session) =>
  Response.json(session.update("n", (n = 0) => n + 1));
const signsOut: Route = (session) => {
  session.destroy();
  return new Response();
};
const ROUTES = { "/show": shows, "/count": counts, "/logout": signsOut };

for (const medium of STORES) {
  Deno.test(`signIn() gives the cookie of a session that a server knows (${medium})`, async () => {
    await using server = await serve(medium, ROUTES);
    const cookie = await signIn(server.manager, "ann", { n: 1 });
    assertEquals(await (await server.get("/show", cookie)).json(), ["ann", 1]);
    assertEquals(await (await server.get("/count", cookie)).json(), 2);
    assertEquals(await (await server.get("/show", cookie)).json(), ["ann", 2]);
    const [session] = await server.manager.sessionsOf("ann");
    assert(session !== undefined);
    await (await server.get("/logout", cookie)).body?.cancel();
    assertEquals(await (await server.get("/show", cookie)).json(), [
      null,
      null,
    ]);
    assertEquals(server.events, []);
  });
}

Deno.test("signIn() makes a session of its own each time", async () => {
  await using server = await serve("memory", ROUTES);
  const cookies = [
    await signIn(server.manager, "ann", { n: 1 }),
    await signIn(server.manager, "ben", { n: 2 }),
    await signIn(server.manager, "ann"),
  ];
  const shown = cookies.map(async (cookie) =>
    await (await server.get("/show", cookie)).json()
  );
  assertEquals(await Promise.all(shown), [["ann", 1], ["ben", 2], [
    "ann",
    null,
  ]]);
});

Deno.test("signIn() takes a manager with a Secure cookie of another name, sealed records and rotation", async () => {
  await using server = await serve("memory", ROUTES, {
    cookie: { name: "__Host-app", secure: true },
    seal: true,
    secrets: SEALING.secrets,
    rotateEvery: 60_000,
    rotateGrace: 1_000,
  });
  const cookie = await signIn(server.manager, "ann", { n: 1 });
  assert(/^__Host-app=[^;]+$/.test(cookie));
  assertEquals(await (await server.get("/show", cookie)).json(), ["ann", 1]);
  assertEquals(server.events, []);
});

Deno.test("signIn() gives the token where a header carries it", async () => {
  const sessions = new SessionManager({
    store: new MemorySessionStore(),
    transport: "bearer",
  });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    sessions.handler((_request, session) => Response.json(session.user)),
  );
  const authorization = `Bearer ${await signIn(sessions, "ann")}`;
  const { port } = server.addr;
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    headers: { authorization },
  });
  assertEquals(await response.json(), "ann");
});

Deno.test("signIn() refuses what a session cannot keep, and stores nothing", async () => {
  await using server = await serve("memory", ROUTES);
  await assertRejects(() => signIn(server.manager, ""), TypeError, "user");
  await assertRejects(
    () => signIn(server.manager, "ann", { f: () => {} }),
    TypeError,
    "f",
  );
  assertEquals((await server.records()).size, 0);
});
