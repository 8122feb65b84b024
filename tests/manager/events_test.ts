/** Events, and that what is told of them changes nothing. */

import { assert, assertEquals } from "@std/assert";
import type { SessionEvent } from "../../src/manager/events.ts";
import { ReplacedConsole } from "./replaced_console.ts";
import { cookieIn, setUp } from "./set_up.ts";
import { Browser, type Route, serve, STORES } from "./session_server.ts";

const ROTATE_EVERY = 60_000;
const FAILURE = new Error("the log is away");

/** What `onEvent` may do. */
const LISTENERS: Readonly<Record<string, () => void | Promise<void>>> = {
  "throws": () => {
    throw FAILURE;
  },
  "rejects": async () => {
    await Promise.resolve();
    throw FAILURE;
  },
};

const ROUTES: Readonly<Record<string, Route>> = {
  "/begin": (session) => {
    session.setUser("ann");
    session.set("n", 1);
    return new Response("begun");
  },
  "/spoil": (session) => {
    session.set("n", -1);
    return new Response("spoiled");
  },
  "/show": (session) => new Response(`${session.user} ${session.get("n")}`),
};

/** Refuses a negative `n`, when it is asked to. */
function schemaOf(isStrict: () => boolean) {
  return {
    "~standard": {
      version: 1 as const,
      vendor: "test",
      validate: (value: unknown) =>
        isStrict() && (value as { n?: number }).n === -1
          ? { issues: [{ path: ["n"] }] }
          : { value: value as Record<string, unknown> },
    },
  };
}

for (const medium of STORES) {
  for (const [does, onEvent] of Object.entries(LISTENERS)) {
    Deno.test(`${medium}: an onEvent that ${does} changes nothing, and console.error is told`, async () => {
      let now = Date.now();
      let isStrict = false;
      const schema = schemaOf(() => isStrict);
      const expire: Route = async (session) => {
        await server.manager.expire(session.id);
        session.set("n", 2);
        return new Response("answered");
      };
      using errors = new ReplacedConsole("error");
      await using server = await serve(
        medium,
        { ...ROUTES, "/expire": expire },
        {
          now: () => now,
          rotateEvery: ROTATE_EVERY,
          rotateGrace: 1,
          endOnReuse: true,
          onEvent,
          schema,
        },
      );

      // Reused: the thief's request ends the session, and is answered.
      const browser = new Browser(server);
      await browser.get("/begin");
      const stolen = browser.cookie;
      now += ROTATE_EVERY;
      assertEquals(await browser.get("/show"), "ann 1");
      assert(browser.cookie !== stolen);
      assertEquals(await browser.get("/show"), "ann 1");
      now += 2;
      assertEquals(
        await new Browser(server, stolen).get("/show"),
        "null undefined",
      );
      assertEquals(await browser.get("/show"), "null undefined");
      assertEquals((await server.records()).size, 0);

      // Invalid: the request gets a new session.
      await browser.get("/begin");
      await browser.get("/spoil");
      isStrict = true;
      assertEquals(await browser.get("/show"), "null undefined");
      isStrict = false;

      // Refused: the response is sent.
      assertEquals(await browser.get("/expire"), "answered");

      const types: SessionEvent["type"][] = ["reused", "invalid", "refused"];
      assertEquals(server.events.map(({ type }) => type), types);
      assertEquals(
        errors.calls,
        types.map((
          type,
        ) => [`onEvent failed at the event "${type}":`, FAILURE]),
      );
    });
  }
}

Deno.test("the session of a secret that was reused has ended when onEvent is called", async () => {
  const before: string[][] = [];
  const { begin, open, look, commit, clock, store } = setUp({
    rotateEvery: ROTATE_EVERY,
    rotateGrace: 1,
    endOnReuse: true,
    onEvent: () => before.push(store.takeCalls()),
  });
  const { cookie } = await begin();
  clock.now += ROTATE_EVERY;
  const rotated = cookieIn(await commit(await look(cookie)));
  await commit(await look(rotated));
  clock.now += 2;
  store.takeCalls();
  await open(cookie);
  assertEquals(before, [["load", "update"]]);
});
