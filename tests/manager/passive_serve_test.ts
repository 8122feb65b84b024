/** A request that a page sends by itself keeps no visitor signed in. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SessionManager } from "../../src/manager/manager.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import type { Session } from "../../src/session/session.ts";
import { HOUR, MINUTE } from "../constants.ts";
import { serve, STORES } from "./session_server.ts";
import { cookieIn, type Data, lastAccessOf, requestWith } from "./set_up.ts";

const IDLE = 10 * HOUR;

/** What makes a request passive. */
type Passive = "open" | "run" | "handler";

/** A server of one passive route, beside a browser's. */
async function scene(
  medium: typeof STORES[number],
  by: Passive,
  options: Partial<SessionManagerOptions> = {},
) {
  const clock = { now: Date.now() };
  const settings = { idleTimeout: IDLE, now: () => clock.now, ...options };
  const server = await serve(medium, {
    "/begin": (session) => {
      session.set("n", 1);
      return Response.json({ token: session.createFormToken() });
    },
    "/": (session) => new Response(`${session.get("n")}`),
  }, settings);
  const { manager } = server;
  let act: (session: Session<Data>) => unknown = (session) => session.get("n");
  const answer = async (session: Session<Data>) =>
    new Response(`${await act(session)}`);
  const passive = { passive: true };
  const handlers: Record<Passive, (request: Request) => Promise<Response>> = {
    run: (request) => manager.run(request, answer, passive),
    handler: (request) =>
      manager.handler((_request, session) => answer(session), passive)(
        request,
        {} as Deno.ServeHandlerInfo,
      ),
    open: async (request) => {
      const session = await manager.open(request, passive);
      const headers = new Headers();
      const response = await answer(session);
      await manager.commit(session, headers);
      return new Response(response.body, { headers });
    },
  };
  const polled = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    handlers[by],
  );
  const begun = await server.get("/begin");
  const { token } = await begun.json();
  const cookie = cookieIn(begun.headers.get("set-cookie")!);
  const [id] = (await server.records()).keys();
  return {
    server,
    clock,
    cookie,
    token: token as string,
    /** Polls, and gives the text and the cookie that was set. */
    async poll(does = act, brought = cookie) {
      act = does;
      const response = await fetch(`http://127.0.0.1:${polled.addr.port}/`, {
        headers: { cookie: brought },
      });
      const [header] = response.headers.getSetCookie();
      return {
        text: await response.text(),
        cookie: header?.split(";", 1)[0],
      };
    },
    record: async () => (await server.store.load(id!))!,
    lastAccess: () => lastAccessOf(server.store, id!),
    /** Lets the last access be 5 hours ago, so that a touch is due. */
    async age() {
      const lastAccess = Date.now() - 5 * HOUR;
      await server.store.update(id!, (record) => record, { lastAccess });
      return lastAccess;
    },
    async [Symbol.asyncDispose]() {
      await polled.shutdown();
      await server[Symbol.asyncDispose]();
    },
  };
}

for (const medium of STORES) {
  for (const by of ["open", "run", "handler"] as const) {
    Deno.test(`passive: by ${by}, a request that only reads touches, renews and rotates nothing (${medium})`, async () => {
      await using polling = await scene(medium, by, { rotateEvery: MINUTE });
      const { server, clock, cookie } = polling;
      const access = await polling.age();
      const record = await polling.record();
      clock.now += 2 * HOUR;
      assertEquals(await polling.poll(), { text: "1", cookie: undefined });
      assertEquals(await polling.lastAccess(), access);
      assertEquals(await polling.record(), record);
      // All of that was due.
      const looked = await server.get("/", cookie);
      assert(cookieIn(looked.headers.get("set-cookie")!) !== cookie);
      await looked.body?.cancel();
      assert(await polling.lastAccess() > access);
    });
  }

  Deno.test(`passive: a request that writes is like any other (${medium})`, async () => {
    await using polling = await scene(medium, "run", { rotateEvery: MINUTE });
    const access = await polling.age();
    polling.clock.now += 2 * HOUR;
    const { cookie } = await polling.poll((session) => session.set("n", 2));
    assert(cookie !== undefined && cookie !== polling.cookie);
    assert(await polling.lastAccess() > access);
    assertEquals((await polling.record()).data, { n: 2 });
  });

  Deno.test(`passive: a form token that is consumed is a change (${medium})`, async () => {
    await using polling = await scene(medium, "run");
    const { server, token } = polling;
    const access = await polling.age();
    polling.clock.now += 2 * HOUR;
    const { text, cookie } = await polling.poll((session) =>
      server.manager.consumeFormToken(session, token)
    );
    assertEquals([text, cookie], ["true", polling.cookie]);
    assert(await polling.lastAccess() > access);
  });

  Deno.test(`passive: it confirms no rotation, and is handed no secret (${medium})`, async () => {
    await using polling = await scene(medium, "run", { rotateEvery: MINUTE });
    const { server, clock, cookie } = polling;
    clock.now += MINUTE;
    const looked = await server.get("/", cookie);
    const rotated = cookieIn(looked.headers.get("set-cookie")!);
    await looked.body?.cancel();
    const record = await polling.record();
    for (const brought of [cookie, rotated]) {
      const { text, cookie: sent } = await polling.poll(undefined, brought);
      assertEquals([text, sent], ["1", undefined]);
    }
    assertEquals(await polling.record(), record);
    assertEquals(record.previous!.until, undefined);
    const confirming = await server.get("/", rotated);
    await confirming.body?.cancel();
    assert((await polling.record()).previous!.until !== undefined);
  });
}

Deno.test("passive: the first opening of a request decides", async () => {
  const clock = { now: Date.now() };
  const now = () => clock.now;
  const store = new MemorySessionStore({ now });
  const manager = new SessionManager<Data>({ store, now, idleTimeout: IDLE });
  const begin = await manager.run(requestWith(null), (session) => {
    session.set("n", 1);
    return new Response();
  });
  const cookie = cookieIn(begin.headers.get("set-cookie")!);
  clock.now += 2 * HOUR;
  const request = requestWith(cookie);
  await manager.open(request, { passive: true });
  const { headers } = await manager.run(
    request,
    (session) => new Response(`${session.get("n")}`),
  );
  assertEquals(headers.getSetCookie(), []);
});

Deno.test("passive: anything but true and false is refused", async () => {
  const manager = new SessionManager<Data>({ store: new MemorySessionStore() });
  const options = { passive: "yes" as unknown as boolean };
  const request = new Request("http://localhost/");
  const problem = "passive is neither true nor false";
  await assertRejects(() => manager.open(request, options), TypeError, problem);
  assertThrows(
    () => manager.handler(() => new Response(), options),
    TypeError,
    problem,
  );
});
