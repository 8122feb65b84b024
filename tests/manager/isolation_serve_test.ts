/** What requests at once do to a session, as far as they are kept apart. */

import { assert, assertEquals } from "@std/assert";
import { SessionConflictError } from "../../src/core/errors.ts";
import type { IsolationLevel } from "../../src/manager/isolation.ts";
import {
  Meeting,
  type Route,
  serve,
  type SessionServer,
  STORES,
} from "./session_server.ts";
import { cookieOf } from "./set_up.ts";

const REQUESTS = 20;

const begins: Route = (session) => {
  session.set("n", 0);
  return new Response();
};

/** Adds 1 to what it has read, with time for others in between. */
const adds: Route = async (session) => {
  const n = session.get("n")!;
  await new Promise((resolve) => setTimeout(resolve, 1));
  session.set("n", n + 1);
  return new Response();
};

async function begin(server: SessionServer): Promise<string> {
  const response = await server.get("/begin");
  await response.body?.cancel();
  return cookieOf(response.headers);
}

async function numberIn(server: SessionServer): Promise<number> {
  const [record] = (await server.records()).values();
  return record!.data.n as number;
}

/** Sends requests at once, and returns how many were answered with 200. */
async function send(
  server: SessionServer,
  path: string,
  cookie: string,
): Promise<number> {
  const statuses = await Promise.all(
    Array.from({ length: REQUESTS }, async () => {
      const response = await server.get(path, cookie);
      await response.body?.cancel();
      return response.status;
    }),
  );
  return statuses.filter((status) => status === 200).length;
}

/** Waits until so many exclusive requests had to wait. */
async function untilWaiting(server: SessionServer, waits = 1): Promise<void> {
  const end = performance.now() + 60_000;
  while (server.manager.counters.lockWaits < waits) {
    assert(performance.now() < end, "nobody waits");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

for (const medium of STORES) {
  const name = (sentence: string) => `${sentence} (${medium})`;

  Deno.test(
    name(
      `exclusive: ${REQUESTS} requests at once that read, then set, add ${REQUESTS}`,
    ),
    async () => {
      await using server = await serve(medium, {
        "/begin": begins,
        "/add": adds,
      }, { isolation: "exclusive", lockTimeout: 60_000 });
      const cookie = await begin(server);
      assertEquals(await send(server, "/add", cookie), REQUESTS);
      assertEquals(await numberIn(server), REQUESTS);
      const { commits, merged, conflicts } = server.manager.counters;
      assertEquals([commits, merged, conflicts], [REQUESTS + 1, 0, 0]);
    },
  );

  Deno.test(
    name(
      `strict: of ${REQUESTS} requests at once that read, then set, as many succeed as the sum says`,
    ),
    async () => {
      await using server = await serve(medium, {
        "/begin": begins,
        "/add": adds,
      }, { isolation: "strict" });
      const cookie = await begin(server);
      const succeeded = await send(server, "/add", cookie);
      assert(succeeded >= 1);
      assertEquals(await numberIn(server), succeeded);
      const { commits, merged, conflicts } = server.manager.counters;
      assertEquals(commits, succeeded + 1);
      assertEquals(conflicts, REQUESTS - succeeded);
      assertEquals(merged, 0);
    },
  );

  Deno.test(
    name(
      `strict: ${REQUESTS} requests at once that are run again after a conflict add ${REQUESTS}`,
    ),
    async () => {
      await using server = await serve(medium, { "/begin": begins });
      const cookie = await begin(server);
      const { manager } = server;
      await Promise.all(Array.from({ length: REQUESTS }, async () => {
        const headers = { cookie };
        const request = new Request("http://localhost/", { headers });
        for (;;) {
          try {
            const isolation = "strict";
            await manager.run(request, (session) => adds(session, request), {
              isolation,
            });
            return;
          } catch (error) {
            if (!(error instanceof SessionConflictError)) throw error;
          }
        }
      }));
      assertEquals(await numberIn(server), REQUESTS);
    },
  );

  Deno.test(
    name(
      "merge: requests at once that read, then set, lose changes; those that update() do not",
    ),
    async () => {
      const readers = new Meeting(REQUESTS);
      const updaters = new Meeting(REQUESTS);
      await using server = await serve(medium, {
        "/begin": begins,
        "/add": async (session) => {
          const n = session.get("n")!;
          await readers.arrive();
          session.set("n", n + 1);
          return new Response();
        },
        "/update": async (session) => {
          session.update("n", (n = 0) => n + 1);
          await updaters.arrive();
          return new Response();
        },
      });
      const cookie = await begin(server);
      assertEquals(await send(server, "/add", cookie), REQUESTS);
      assertEquals(await numberIn(server), 1);
      assertEquals(await send(server, "/update", cookie), REQUESTS);
      assertEquals(await numberIn(server), REQUESTS + 1);
      const { commits, merged } = server.manager.counters;
      assertEquals(commits, 2 * REQUESTS + 1);
      assertEquals(merged, 2 * (REQUESTS - 1));
    },
  );

  Deno.test(
    name(
      "exclusive: while a request holds its session, readers and other sessions go on",
    ),
    async () => {
      const entered = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      await using server = await serve(medium, { "/begin": begins });
      const { manager } = server;
      const [cookie, other] = [await begin(server), await begin(server)];
      const run = (
        cookie: string,
        isolation: IsolationLevel,
        wait: Promise<void> | undefined = undefined,
      ) =>
        manager.run(
          new Request("http://localhost/", { headers: { cookie } }),
          async (session) => {
            if (wait !== undefined) entered.resolve();
            await wait;
            if (isolation !== "readOnly") session.set(isolation, true);
            return Response.json(session.get("n"));
          },
          { isolation },
        );
      const held = run(cookie, "exclusive", released.promise);
      await entered.promise;
      for (const isolation of ["readOnly", "merge", "strict"] as const) {
        assertEquals(await (await run(cookie, isolation)).json(), 0);
      }
      assertEquals((await run(other, "exclusive")).status, 200);
      const waiting = run(cookie, "exclusive");
      await untilWaiting(server);
      assertEquals(await Promise.race([waiting, "waits"]), "waits");
      released.resolve();
      assertEquals([(await held).status, (await waiting).status], [200, 200]);
      assertEquals(manager.counters.lockWaits, 1);
    },
  );

  Deno.test(
    name(
      "exclusive: a request whose client disconnects stops waiting, and its handler never runs",
    ),
    async () => {
      const entered = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      const thrown = Promise.withResolvers<unknown>();
      const entries: string[] = [];
      await using server = await serve(medium, { "/begin": begins });
      const cookie = await begin(server);
      const handler = server.manager.handler(async (request) => {
        entries.push(new URL(request.url).pathname);
        entered.resolve();
        await released.promise;
        return new Response();
      }, { isolation: "exclusive", lockTimeout: 60_000 });
      await using exclusive = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        (request, info) =>
          handler(request, info).catch((error) => {
            thrown.resolve(error);
            return new Response(null, { status: 500 });
          }),
      );
      const get = (path: string, signal: AbortSignal | null = null) =>
        fetch(`http://127.0.0.1:${exclusive.addr.port}${path}`, {
          headers: { cookie },
          signal,
        });
      const first = get("/first");
      await entered.promise;
      const controller = new AbortController();
      const hasty = get("/hasty", controller.signal).catch((error) => error);
      await untilWaiting(server);
      const last = get("/last");
      await untilWaiting(server, 2);
      controller.abort();
      assertEquals((await hasty).name, "AbortError");
      // It hears of that while it still waits.
      assertEquals((await thrown.promise as Error).name, "AbortError");
      released.resolve();
      for (const response of [await first, await last]) {
        await response.body?.cancel();
        assertEquals(response.status, 200);
      }
      assertEquals(entries, ["/first", "/last"]);
    },
  );

  Deno.test(
    name(
      "exclusive: after a response the session is free, also while its body streams",
    ),
    async () => {
      const ended = Promise.withResolvers<void>();
      await using server = await serve(medium, {
        "/begin": begins,
        "/stream": (session) => {
          session.set("n", 1);
          const body = new ReadableStream({
            async pull(controller) {
              controller.enqueue(new Uint8Array(1));
              await ended.promise;
              controller.close();
            },
          });
          return new Response(body);
        },
      }, { isolation: "exclusive", lockTimeout: 0 });
      const cookie = await begin(server);
      const streaming = await server.get("/stream", cookie);
      const next = await server.get("/begin", cookie);
      await next.body?.cancel();
      assertEquals(next.status, 200);
      ended.resolve();
      assertEquals((await streaming.bytes()).length, 1);
    },
  );
}
