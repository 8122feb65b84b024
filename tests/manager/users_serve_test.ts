/** Revocation while requests run: real sockets, parallel, and processes. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { isRevocationId } from "../../src/core/revocation.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { startProcess } from "../directory/clients.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import {
  Browser,
  Meeting,
  type Route,
  serve,
  STORES,
} from "./session_server.ts";
import { cookieOf, type Data, requestWith } from "./set_up.ts";

const REQUESTS = 51;

const whoAmI: Route = (session) => new Response(session.user ?? "nobody");

const signsIn: Route = (session, request) => {
  session.setUser(new URL(request.url).searchParams.get("user")!);
  session.set("n", 0);
  return new Response(session.id);
};

for (const medium of STORES) {
  const name = (title: string) => `${title} (${medium})`;

  Deno.test(
    name(
      "a revocation while 51 requests of three devices run: none of them commits, none of the devices is signed in, and another user is",
    ),
    async () => {
      const all = new Meeting(REQUESTS + 1);
      const revoked = Promise.withResolvers<void>();
      await using server = await serve(medium, {
        "/sign-in": signsIn,
        "/": whoAmI,
        "/slow": async (session) => {
          session.update("n", (n = 0) => n + 1);
          await all.arrive();
          await revoked.promise;
          return new Response(session.user);
        },
      });
      const devices = Array.from({ length: 3 }, () => new Browser(server));
      const ids: string[] = [];
      for (const device of devices) {
        ids.push(await device.get("/sign-in?user=ann"));
      }
      const bob = new Browser(server);
      await bob.get("/sign-in?user=bob");

      const requests = Array.from(
        { length: REQUESTS },
        (_, n) => server.get("/slow", devices[n % 3]!.cookie),
      );
      const bobs = server.get("/slow", bob.cookie);
      await all.arrive();
      assertEquals(await server.manager.revokeUser("ann"), 3);
      revoked.resolve();
      for (const response of await Promise.all(requests)) {
        assertEquals([response.status, await response.text()], [200, "ann"]);
        assertEquals(response.headers.getSetCookie(), []);
      }
      assertEquals(await (await bobs).text(), "bob");

      const refused = server.events.map((event) => {
        assert(event.type === "refused");
        return event.sessionId;
      });
      assertEquals(refused.length, REQUESTS);
      assertEquals(new Set(refused), new Set(ids));
      for (const device of devices) {
        assertEquals(await device.get("/"), "nobody");
      }
      const left = [...await server.records()].filter(([id]) =>
        !isRevocationId(id)
      );
      assertEquals(left.map(([, { user, data }]) => [user, data]), [
        ["bob", { n: 1 }],
      ]);
    },
  );

  Deno.test(
    name(
      "revocations amid requests that save, log in and log out: no session from before the last one is signed in",
    ),
    async () => {
      await using server = await serve(medium, {
        "/sign-in": signsIn,
        "/": whoAmI,
        "/add": (session) => {
          session.update("n", (n = 0) => n + 1);
          return whoAmI(session, new Request("http://localhost/"));
        },
      });
      const devices = Array.from({ length: 3 }, () => new Browser(server));
      for (const device of devices) await device.get("/sign-in?user=ann");
      const ask = async (device: Browser) => {
        for (let time = 0; time < 17; time++) await device.get("/add");
      };
      const asking = Promise.all(devices.map(ask));
      for (let time = 0; time < 3; time++) {
        await server.manager.revokeUser("ann");
        for (const device of devices) {
          const response = await server.get("/", device.cookie);
          assertEquals(await response.text(), "nobody");
        }
        const [device] = devices;
        const before = device!.cookie;
        const again = new Browser(server);
        await again.get("/sign-in?user=ann");
        assertEquals(await again.get("/"), "ann");
        assert(again.cookie !== before);
      }
      await asking;
      await server.manager.revokeUser("ann");
      for (const device of devices) {
        assertEquals(await device.get("/"), "nobody");
      }
      for (const { user } of (await server.records()).values()) {
        assertEquals(user, undefined);
      }
    },
  );

  Deno.test(
    name("a request signs all other devices out, and stays signed in itself"),
    async () => {
      await using server = await serve(medium, {
        "/sign-in": signsIn,
        "/": whoAmI,
        "/others-out": async (session) => {
          const { id, user } = session;
          const ended = await server.manager.revokeUser(user!, { except: id });
          session.regenerate();
          return new Response(`${ended}`);
        },
      });
      const devices = Array.from({ length: 4 }, () => new Browser(server));
      for (const device of devices) await device.get("/sign-in?user=ann");
      const [mine, ...others] = devices as [Browser, ...Browser[]];
      assertEquals(await mine.get("/others-out"), "3");
      assertEquals(await mine.get("/"), "ann");
      for (const other of others) assertEquals(await other.get("/"), "nobody");
      assertEquals(await mine.get("/others-out"), "0");
      assertEquals(await mine.get("/"), "ann");
    },
  );
}

Deno.test("a revocation ends a session that two other processes save again and again", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  const manager = new SessionManager<Data>({ store });
  const headers = new Headers();
  const session = await manager.open(requestWith(null));
  session.setUser("ann");
  session.set("n", 0);
  await manager.commit(session, headers);
  const running = await manager.open(requestWith(cookieOf(headers)));
  running.set("n", -1);

  const task = {
    act: "increment",
    directory: directory.path,
    id: session.id,
    times: 5_000,
  } as const;
  await using one = await startProcess(task);
  await using other = await startProcess(task);
  const writing = Promise.all([one.run(), other.run()]);
  while (((await store.load(session.id))!.data.n as number) < 100) {
    // What tells the processes to begin is under way.
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(await manager.revokeUser("ann"), 1);
  assertEquals(await store.has(session.id), false);
  assert((await manager.open(requestWith(cookieOf(headers)))).isNew);
  // To a session that is gone they add nothing.
  await writing;
  await assertRejects(() => manager.commit(running, new Headers()));
  assertEquals(await store.has(session.id), false);
});
