/** A server whose sessions move while it is used, by processes that are killed. */

import { assert, assertEquals } from "@std/assert";
import { openMigrating } from "../engines/open_migrating.ts";
import {
  flagsFor,
  type MigratingPlace,
  openStore,
} from "../contract/open_store.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { MigratingSessionStore } from "../../src/migration/migrating_store.ts";
import { migrateSessions } from "../../src/migration/move_session.ts";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { Browser, type Route, serve } from "./session_server.ts";

const CLIENTS = 6;
/** Of browsers that come back later. */
const OTHERS = 120;
/** Of each browser with two servers that differ. */
const ROUNDS = 10;

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

Deno.test("no request is signed out, and no count is lost, while servers change one after the other", async () => {
  using directory = new TemporaryDirectory();
  const place: MigratingPlace = {
    kind: "migrating",
    from: directory.join("sessions"),
    to: directory.join("sessions.db"),
  };
  await using stores = await openMigrating(place);
  const { from, to } = stores;
  const [ready, moving] = (["ready", "moving"] as const).map((phase) =>
    new MigratingSessionStore(from, to, { phase })
  );
  await ready!.setup();
  const cookies: string[] = [];
  const counts: number[] = [];

  /** Browsers work, and new ones come, while two servers differ. */
  const serveBoth = async (one: SessionStore, other: SessionStore) => {
    await using first = await serve("memory", ROUTES, { store: one });
    await using second = await serve("memory", ROUTES, { store: other });
    const servers = [first, second];
    for (const server of servers) {
      const browser = new Browser(server);
      await browser.get(`/sign-in?user=user-${cookies.length}`);
      cookies.push(browser.cookie!);
      counts.push(0);
    }
    await Promise.all(cookies.map(async (cookie, n) => {
      for (let round = 0; round < ROUNDS; round++) {
        const asked = servers.map((server) => server.get("/count", cookie));
        for (const response of await Promise.all(asked)) {
          assertEquals(await response.text(), `user-${n}`);
          counts[n]!++;
        }
        const browser = new Browser(servers[round % 2]!, cookie);
        if (round % 5 === 4) await browser.get(`/sign-in?user=user-${n}`);
        cookie = cookies[n] = browser.cookie!;
      }
    }));
    for (const { events } of servers) assertEquals(events, []);
  };

  await serveBoth(from, from);
  await serveBoth(from, ready!);
  await serveBoth(ready!, ready!);
  assertEquals(await Array.fromAsync(to.entries()), []);
  await serveBoth(ready!, moving!);
  await serveBoth(moving!, moving!);
  await migrateSessions(from, to);
  await serveBoth(moving!, to);
  assertEquals(await Array.fromAsync(from.entries()), []);
  await using server = await serve("memory", ROUTES, { store: to });
  for (const [n, cookie] of cookies.entries()) {
    const seen = await new Browser(server, cookie).get("/");
    assertEquals(seen, `user-${n} ${counts[n]}`);
  }
});
