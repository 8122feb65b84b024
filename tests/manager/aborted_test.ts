/** Clients that disconnect in the middle, over a real socket. */

import { assert, assertEquals } from "@std/assert";
import type { Session } from "../../src/session/session.ts";
import { MINUTE } from "../constants.ts";
import { RawClient } from "./raw_client.ts";
import {
  Browser,
  type Route,
  serve,
  type SessionServer,
  STORES,
} from "./session_server.ts";
import { type Data, WatchedStore } from "./set_up.ts";

const begins: Route = (session) => {
  session.set("n", 0);
  return new Response();
};

const shows: Route = (session) =>
  Response.json(session.isNew ? null : Object.fromEntries(session.entries()));

async function begin(server: SessionServer): Promise<Browser> {
  const browser = new Browser(server);
  await browser.get("/begin");
  return browser;
}

/** A route that waits until it is released, and says how far it has come. */
interface SlowRoute {
  readonly route: Route;
  readonly opened: Promise<void>;
  readonly hungUp: Promise<void>;
  /** The store is at work on it: a request that follows sees what it did. */
  readonly committing: Promise<void>;
  release(): void;
}

function slowRoute(change: (session: Session<Data>) => void): SlowRoute {
  const opened = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const hungUp = Promise.withResolvers<void>();
  const committing = Promise.withResolvers<void>();
  let runs = 0;
  return {
    route: async (session, request) => {
      request.signal.addEventListener("abort", () => hungUp.resolve());
      change(session);
      // It runs again in the commit.
      session.update("n", (n = 0) => {
        if (++runs === 2) committing.resolve();
        return n + 1;
      });
      opened.resolve();
      await released.promise;
      return new Response("nobody reads it");
    },
    opened: opened.promise,
    release: released.resolve,
    hungUp: hungUp.promise,
    committing: committing.promise,
  };
}

/** Asks for the slow route, disconnects while its handler is at work, lets it go on. */
async function hangUpOn(
  slow: SlowRoute,
  { port }: SessionServer,
  { cookie }: Browser,
): Promise<void> {
  await using client = await RawClient.connect(port);
  await client.ask("GET /slow", `cookie: ${cookie}`);
  await slow.opened;
  client.disconnect();
  await slow.hungUp;
  slow.release();
}

for (const medium of STORES) {
  const name = (sentence: string) => `${sentence} (${medium})`;

  Deno.test(
    name(
      "a request whose client disconnects is committed all the same, and leaves no lock",
    ),
    async () => {
      const slow = slowRoute((session) => session.set("late", 1));
      await using server = await serve(medium, {
        "/begin": begins,
        "/slow": slow.route,
        "/add": (session) =>
          new Response(`${session.update("n", (n = 0) => n + 1)}`),
        "/show": shows,
      });
      const browser = await begin(server);
      await hangUpOn(slow, server, browser);
      await slow.committing;
      assertEquals(await browser.get("/add"), "2");
      assertEquals(JSON.parse(await browser.get("/show")), { n: 2, late: 1 });
      assertEquals(server.events, []);
    },
  );

  Deno.test(
    name(
      "a handler that ends with its client's connection saves nothing, and leaves no lock",
    ),
    async () => {
      const opened = Promise.withResolvers<void>();
      const given = Promise.withResolvers<void>();
      await using server = await serve(medium, {
        "/begin": begins,
        "/slow": async (session, { signal }) => {
          session.set("n", 666);
          const aborted = Promise.withResolvers<void>();
          signal.addEventListener("abort", () => aborted.reject(signal.reason));
          opened.resolve();
          try {
            await aborted.promise;
          } finally {
            given.resolve();
          }
          return new Response();
        },
        "/add": (session) =>
          new Response(`${session.update("n", (n = 0) => n + 1)}`),
      });
      const browser = await begin(server);
      await using client = await RawClient.connect(server.port);
      await client.ask("GET /slow", `cookie: ${browser.cookie}`);
      await opened.promise;
      client.disconnect();
      await given.promise;
      assertEquals(await browser.get("/add"), "1");
    },
  );

  Deno.test(
    name(
      "a client that disconnects while the body streams loses nothing that was committed",
    ),
    async () => {
      const cancelled = Promise.withResolvers<void>();
      await using server = await serve(medium, {
        "/begin": begins,
        "/stream": (session) => {
          session.set("n", 1);
          return new Response(
            new ReadableStream<Uint8Array>({
              pull(controller) {
                controller.enqueue(new Uint8Array(65_536).fill(0x2e));
              },
              cancel: () => cancelled.resolve(),
            }),
          );
        },
        "/show": shows,
      });
      const browser = await begin(server);
      await using client = await RawClient.connect(server.port);
      await client.ask("GET /stream", `cookie: ${browser.cookie}`);
      await client.arrival("....");
      client.disconnect();
      await cancelled.promise;
      assertEquals(JSON.parse(await browser.get("/show")), { n: 1 });
    },
  );

  Deno.test(
    name(
      "a client that disconnects while its session regenerates is signed out, and its cookie opens nothing",
    ),
    async () => {
      const slow = slowRoute((session) => session.setUser("ann"));
      await using server = await serve(medium, {
        "/begin": begins,
        "/slow": slow.route,
        "/show": shows,
      });
      const browser = await begin(server);
      await hangUpOn(slow, server, browser);
      await slow.committing;
      assertEquals(await browser.get("/show"), "null");
    },
  );

  Deno.test(
    name(
      "a client that disconnects while its secret is rotated gets the new cookie with the next request",
    ),
    async () => {
      let now = Date.now();
      const slow = slowRoute((session) => void session.get("n"));
      await using server = await serve(medium, {
        "/begin": begins,
        "/slow": slow.route,
        "/show": shows,
      }, { rotateEvery: 60_000, now: () => now });
      const browser = await begin(server);
      const before = browser.cookie;
      now += 60_000;
      await using client = await RawClient.connect(server.port);
      await client.ask("GET /slow", `cookie: ${before}`);
      await slow.opened;
      client.disconnect();
      await slow.hungUp;
      slow.release();
      await slow.committing;
      // However late: until the new secret was brought there is no grace.
      now += 30 * 24 * 60 * MINUTE;
      assertEquals(JSON.parse(await browser.get("/show")), { n: 1 });
      assert(browser.cookie !== before);
      now += 60_000 - 1;
      assertEquals(JSON.parse(await browser.get("/show")), { n: 1 });
      assertEquals(server.events, []);
    },
  );
}

Deno.test("a client that disconnects while the store is slow leaves the record whole, and the next request goes on", async () => {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const kept = Promise.withResolvers<void>();
  class SlowStore extends WatchedStore {
    override async update(
      ...args: Parameters<WatchedStore["update"]>
    ): ReturnType<WatchedStore["update"]> {
      asked.resolve();
      await released.promise;
      const record = await super.update(...args);
      kept.resolve();
      return record;
    }
  }
  const store = new SlowStore();
  await using server = await serve("memory", {
    "/begin": begins,
    "/set": (session) => {
      session.set("n", 1);
      session.set("more", "x".repeat(10_000));
      return new Response();
    },
    "/show": shows,
  }, { store });
  const browser = await begin(server);
  await using client = await RawClient.connect(server.port);
  await client.ask("GET /set", `cookie: ${browser.cookie}`);
  await asked.promise;
  client.disconnect();
  assertEquals(JSON.parse(await browser.get("/show")), { n: 0 });
  released.resolve();
  await kept.promise;
  const { n, more } = JSON.parse(await browser.get("/show"));
  assertEquals([n, more.length], [1, 10_000]);
});
