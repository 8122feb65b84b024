/** Events, and that what is told of them changes nothing. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { SessionEvent } from "../../src/manager/events.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import { RawClient } from "./raw_client.ts";
import { ReplacedConsole } from "./replaced_console.ts";
import { cookieIn, requestWith, setUp } from "./set_up.ts";
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

const HTTPS = "x-forwarded-proto: https";

/** Options, host and header of a request, and what is wrong. */
const SETUPS: [
  options: Partial<SessionManagerOptions>,
  host: string,
  header: string,
  problem: RegExp | undefined,
][] = [
  [{}, "app.example.com", "a: b", undefined],
  [{}, "app.example.com", "x-forwarded-proto: http", undefined],
  [{}, "app.example.com", HTTPS, /trustProxy is off/],
  [{}, "localhost", HTTPS, /trustProxy is off/],
  [{ trustProxy: true }, "app.example.com", HTTPS, undefined],
  [{ cookie: { secure: true } }, "app.example.com", "a: b", /Secure cookie/],
  [{ cookie: { secure: true } }, "10.0.0.1:8000", "a: b", /Secure cookie/],
  [{ cookie: { secure: true } }, "notlocalhost", "a: b", /Secure cookie/],
  [{ cookie: { name: "__Host-s" } }, "a.example", "a: b", /Secure cookie/],
  [{ cookie: { sameSite: "None" } }, "a.example", "a: b", /Secure cookie/],
  [
    { cookie: { secure: true }, trustProxy: true },
    "a.example",
    "x-forwarded-proto: http",
    /Secure cookie/,
  ],
  [
    { cookie: { secure: true }, trustProxy: true },
    "a.example",
    HTTPS,
    undefined,
  ],
  ...["localhost:8000", "a.localhost", "127.0.0.1:8000", "127.1.2.3", "[::1]"]
    .map((host): typeof SETUPS[number] => [
      { cookie: { secure: true } },
      host,
      "a: b",
      undefined,
    ]),
  [{ transport: "bearer" }, "app.example.com", HTTPS, undefined],
];

for (const medium of STORES) {
  Deno.test(`${medium}: a set-up that loses cookies is reported, once a manager`, async () => {
    for (const [options, host, header, problem] of SETUPS) {
      await using server = await serve(medium, ROUTES, options);
      for (const path of ["/show", "/begin", "/begin"]) {
        await using client = await RawClient.connect(server.port);
        const lines = [`host: ${host}`, "connection: close", header];
        const text = [`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
        await client.send(new TextEncoder().encode(text));
        assertEquals((await client.head()).status, 200);
        // No cookie, no report.
        if (path === "/show") assertEquals(server.events, []);
      }
      const what = `${JSON.stringify(options)} ${host} ${header}`;
      const [event, ...others] = server.events;
      assertEquals(others, [], what);
      if (problem === undefined) assertEquals(event, undefined, what);
      else assertMatch((event as { problem: string }).problem, problem, what);
    }
  });
}

Deno.test("what seems misconfigured goes to console.warn where there is no onEvent, and nothing else does", async () => {
  using warnings = new ReplacedConsole("warn");
  const { begin, manager } = setUp({
    cookie: { secure: true },
    onEvent: undefined,
  });
  const { id, cookie } = await begin();
  const answer = (cookie: string | null, before?: () => Promise<unknown>) =>
    manager.run(requestWith(cookie, "http://a.example/"), async (session) => {
      session.set("n", 2);
      await before?.();
      return new Response();
    });
  await answer(null);
  await answer(null);
  const refused = await answer(cookie, () => manager.expire(id));
  assertEquals(refused.headers.getSetCookie(), []);
  assertEquals(warnings.calls.length, 1);
  assertMatch(String(warnings.calls[0]), /^Sessions are misconfigured: a Sec/);
});
