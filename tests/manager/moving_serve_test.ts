/** A server whose sessions move while it is used, by processes that are killed. */

import { assert, assertEquals } from "@std/assert";
import { openMigrating } from "../engines/open_migrating.ts";
import {
  flagsFor,
  type MigratingPlace,
  openStore,
} from "../contract/open_store.ts";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { Browser, type Route, serve } from "./session_server.ts";

const CLIENTS = 6;
/** Of browsers that come back later. */
const OTHERS = 120;

const ROUTES: Record<string, Route> = {
  "/sign-in": (session, request) => {
    session.setUser(new URL(request.url).searchParams.get("user")!);
    return new Response();
  },
  "/count": (session) => {
    session.update("n", (n = 0) => n + 1);
    return new Response(session.user ?? "nobody");
  },
  "/": (session) =>
    new Response(`${session.user ?? "nobody"} ${session.get("n")}`),
};

/** Lets a process move all sessions, or kills it in the middle of one. */
async function move(place: MigratingPlace, killedAt?: number): Promise<void> {
  const args = [JSON.stringify(place), String(killedAt ?? Infinity)];
  const flags = flagsFor(place, place.from);
  const child = spawn("tests/manager/mover_script.ts", args, { flags });
  while (await child.readLine() !== undefined) child.kill();
  const { code, stderr } = await child.end();
  assertEquals(code === 0, killedAt === undefined, stderr);
}

Deno.test("no request is signed out, and no count is lost, while the sessions move", async () => {
  using directory = new TemporaryDirectory();
  const place: MigratingPlace = {
    kind: "migrating",
    from: directory.join("sessions"),
    to: directory.join("sessions.db"),
  };
  await using stores = await openMigrating(place);
  await stores.store.setup();

  const browsers: Browser[] = [];
  {
    await using server = await serve("memory", ROUTES, { store: stores.from });
    for (let n = 0; n < CLIENTS + OTHERS; n++) {
      const browser = new Browser(server);
      await browser.get(`/sign-in?user=user-${n}`);
      await browser.get("/count");
      browsers.push(browser);
    }
  }
  const clients = browsers.slice(0, CLIENTS);
  const counts = browsers.map(() => 1);

  {
    await using server = await serve("memory", ROUTES, { store: stores.store });
    let hasMoved = false;
    const work = async ({ cookie }: Browser, n: number): Promise<void> => {
      const browser = browsers[n] = new Browser(server, cookie);
      for (let round = 0; !hasMoved; round++) {
        const asked = Array.from(
          { length: 3 },
          () => server.get("/count", browser.cookie),
        );
        for (const response of await Promise.all(asked)) {
          assertEquals(await response.text(), `user-${n}`);
          counts[n]!++;
        }
        if (round % 3 === 2) {
          // With a new secret.
          await browser.get(`/sign-in?user=user-${n}`);
        }
      }
    };
    const working = Promise.all(clients.map(work));
    await move(place, 10);
    await move(place, 20);
    const left = await Array.fromAsync(stores.from.entries());
    assert(left.length >= OTHERS - 30, `${left.length} left`);
    await move(place);
    hasMoved = true;
    await working;
    assertEquals(server.events, []);
  }
  assertEquals(await Array.fromAsync(stores.from.entries()), []);

  await using alone = await openStore({ kind: "sqlite", path: place.to });
  await using server = await serve("memory", ROUTES, { store: alone.store });
  for (const [n, { cookie }] of browsers.entries()) {
    const seen = await new Browser(server, cookie).get("/");
    assertEquals(seen, `user-${n} ${counts[n]}`);
  }
});
