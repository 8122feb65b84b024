/**
 * What an attacker may try to get another's session, where no other test shows
 * that it fails. `SECURITY.md` lists all attacks.
 */

import { assert, assertEquals, assertFalse } from "@std/assert";
import { createSessionId, isSameHash } from "../../src/core/token.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { followRotation } from "../../src/manager/rotation.ts";
import { openRecord } from "../../src/manager/sealed_record.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { MINUTE } from "../constants.ts";
import { recordSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { type Act, serveActs } from "./acting_server.ts";
import { Browser, serve, STORES } from "./session_server.ts";
import {
  BEGIN,
  cookieOf,
  type Data,
  idOf,
  requestWith,
  setUp,
} from "./set_up.ts";

const SERVER_SECRET = "a secret of the server's own, long enough for it";
const SECRET_LENGTH = 22;

for (const medium of STORES) {
  Deno.test(`fixation: an attacker's cookie planted in a browser is invalid after the login there (${medium})`, async () => {
    await using server = await serve(medium, {
      "/cart": (session) => {
        session.set("cart", ["tea"]);
        return new Response();
      },
      "/login": (session) => {
        session.setUser("ann");
        return new Response();
      },
      "/show": (session) =>
        Response.json(
          session.isNew ? null : [session.user, session.get("cart")],
        ),
    });
    const attacker = new Browser(server);
    await attacker.get("/cart");
    const planted = attacker.cookie!;
    const victim = new Browser(server, planted);
    await victim.get("/login");
    assertEquals(JSON.parse(await victim.get("/show")), ["ann", ["tea"]]);
    assertEquals(JSON.parse(await attacker.get("/show")), null);
    // The ID, which the attacker knows, is the same, and opens nothing.
    const id = planted.slice(0, -SECRET_LENGTH);
    for (const secret of ["A".repeat(22), planted.slice(-22), "_".repeat(22)]) {
      const response = await server.get("/show", id + secret);
      assertEquals(await response.json(), null);
    }
  });

  Deno.test(`replay: the cookie from before a logout, a login or a rotation's end opens nothing (${medium})`, async () => {
    let now = Date.now();
    await using server = await serve(medium, {
      "/login": (session, { url }) => {
        session.setUser(new URL(url).searchParams.get("user"));
        return new Response();
      },
      "/logout": (session) => {
        session.destroy();
        return new Response();
      },
      "/show": (session) => Response.json(session.isNew ? null : session.user),
    }, { rotateEvery: 10 * MINUTE, now: () => now });
    const browser = new Browser(server);
    const spent: string[] = [];
    const go = async (path: string) => {
      if (browser.cookie !== undefined) spent.push(browser.cookie);
      await browser.get(path);
    };
    await go("/login?user=ann");
    await go("/login?user=ben");
    now += 10 * MINUTE;
    await go("/show");
    now += MINUTE;
    assertEquals(JSON.parse(await browser.get("/show")), "ben");
    await go("/logout");
    assertEquals(browser.cookie, undefined);
    await go("/login?user=eve");
    assertEquals([spent.length, new Set(spent).size], [3, 3]);
    for (const cookie of spent) {
      assertEquals(await (await server.get("/show", cookie)).json(), null);
    }
  });
}

Deno.test("theft of the directory: nothing in it opens a session, neither as a secret nor as a token", async () => {
  using directory = new TemporaryDirectory();
  let now = BEGIN;
  const manager = new SessionManager<Data>({
    store: new DirectorySessionStore(directory.path),
    rotateEvery: 10 * MINUTE,
    now: () => now,
  });
  const headers = new Headers();
  const session = await manager.open(new Request("http://localhost/"));
  session.set("n", 1);
  session.createFormToken();
  session.setUser("ann");
  await manager.commit(session, headers);
  now += 10 * MINUTE;
  const reader = await manager.open(requestWith(cookieOf(headers)));
  assertEquals(reader.user, "ann");
  await manager.commit(reader, headers);

  const texts = new Set<string>();
  for (const name of directory.listFiles()) {
    const text = Deno.readTextFileSync(directory.join(name)) + name;
    for (const run of text.match(/[A-Za-z0-9_-]{22,}/g) ?? []) {
      for (let at = 0; at + SECRET_LENGTH <= run.length; at++) {
        texts.add(run.slice(at, at + SECRET_LENGTH));
      }
    }
  }
  assert(texts.size > 100, `${texts.size} texts`);
  for (const text of texts) {
    const opened = await manager.open(
      requestWith(`latchkey=${session.id}${text}`),
    );
    assert(opened.isNew, text);
  }
});

for (const medium of STORES) {
  Deno.test(`an old cookie and a copy of the store give no current secret, after the grace or without the server's (${medium})`, async () => {
    let now = Date.now();
    await using scene = await serveActs(medium, {
      secrets: [SERVER_SECRET],
      rotateEvery: 10 * MINUTE,
      now: () => now,
    });
    const before = await scene.begin((session) => session.setUser("ann"));
    now += 10 * MINUTE;
    const look: Act = (session) => session.user;
    const { cookie: after } = await scene.ask(before, look);
    const id = idOf(before);
    const old = { id, secret: before.slice(-SECRET_LENGTH) };
    const stolen = (await scene.records()).get(id)!;
    assertEquals(followRotation(stolen, old, [null]), undefined);
    assertEquals(
      followRotation(stolen, old, [null, SERVER_SECRET]),
      after!.slice(-SECRET_LENGTH),
    );
    // All entries are tried: the list may have a newer one meanwhile.
    await using newer = await serveActs(medium, {
      secrets: ["another secret, which is the newest one", SERVER_SECRET],
      store: scene.server.store,
      now: () => now,
    });
    assertEquals((await newer.show(before))?.user, "ann");

    await scene.ask(after, look);
    now += MINUTE;
    await scene.ask(after, look);
    const later = (await scene.records()).get(id)!;
    assertEquals(followRotation(later, old, [SERVER_SECRET]), undefined);
    const text = JSON.stringify(later);
    assertFalse(text.includes(stolen.previous!.sealed!));
  });
}

Deno.test("theft of the directory and the server's secret: nothing in it opens what is sealed", async () => {
  const options = { seal: true, secrets: [SERVER_SECRET] };
  const { begin, store, clock, open, look, commit } = setUp({
    ...options,
    rotateEvery: 10 * MINUTE,
  });
  const { id, cookie } = await begin({ n: 1, cart: ["tea"] });
  clock.now += 10 * MINUTE;
  const renewed = (await commit(await look(cookie))).split(";")[0]!;
  const record = (await store.load(id))!;
  const { secretHash = "", previous, sealed = "" } = record;
  const known = [
    "",
    id,
    SERVER_SECRET,
    secretHash,
    sealed,
    previous!.hash,
    previous!.sealed!,
    secretHash.slice(0, SECRET_LENGTH),
    previous!.hash.slice(0, SECRET_LENGTH),
  ];
  for (const secret of known) {
    for (const secrets of [[SERVER_SECRET], [null], [secret]]) {
      const opened = openRecord(record, { id, secret }, {
        isOn: true,
        secrets,
      });
      assertEquals(opened, undefined);
    }
  }
  assertEquals((await open(renewed)).get("cart"), ["tea"]);
});

Deno.test("writing the directory with the server's secret: no sealed data moves from one session to another", async () => {
  const { begin, store, open } = setUp({
    seal: true,
    secrets: [SERVER_SECRET],
  });
  const [victim, attacker] = [await begin({ n: 1 }), await begin({ n: 2 })];
  const [his, own] = [
    (await store.load(victim.id))!,
    (await store.load(attacker.id))!,
  ];
  // Under the victim's ID, the attacker's record in whole or in part.
  for (const forged of [own, { ...his, sealed: own.sealed! }]) {
    await store.save(victim.id, forged);
    assert((await open(victim.cookie)).isNew);
  }
  // Under the attacker's ID, the victim's record with the attacker's hash.
  await store.save(attacker.id, { ...his, secretHash: own.secretHash! });
  assert((await open(attacker.cookie)).isNew);
});

Deno.test("tossing: a cookie that a neighbouring host adds hides a session, and gives no client another's", async () => {
  await using server = await serve("memory", {
    "/login": (session) => {
      session.setUser("ann");
      return new Response();
    },
    "/cart": (session) => {
      session.set("n", 1);
      return new Response();
    },
    "/show": (session) => Response.json(session.isNew ? null : session.user),
  });
  const [victim, attacker] = [new Browser(server), new Browser(server)];
  await victim.get("/login");
  await attacker.get("/cart");
  const own = victim.cookie!;
  for (
    const both of [`${own}; ${attacker.cookie}`, `${attacker.cookie}; ${own}`]
  ) {
    const shown = await server.get("/show", both);
    assertEquals(await shown.json(), null);
    assertEquals(shown.headers.getSetCookie(), []);
    // What is put into the cart goes into neither's.
    const put = cookieOf((await server.get("/cart", both)).headers);
    assertFalse([own, attacker.cookie].includes(put));
  }
  // As soon as the other is gone, all is as it was.
  assertEquals(JSON.parse(await victim.get("/show")), "ann");
});

Deno.test("path tricks: a cookie reaches only files that are named by a session ID", async () => {
  using directory = new TemporaryDirectory();
  const inside = directory.join("sessions");
  const store = new DirectorySessionStore(inside, { create: true });
  await store.setup();
  const outside = "0".repeat(32);
  Deno.writeTextFileSync(directory.join(outside), "not yours");
  const manager = new SessionManager<Data>({ store });
  const secret = "A".repeat(SECRET_LENGTH);
  const tricks = [
    `../${outside}`,
    `..%2f${outside}`,
    `./../${outside}`.padEnd(32, "/"),
    `${"../".repeat(10)}etc/passwd`.slice(0, 32),
    `${inside}/${outside}`.slice(-32),
    ".latchkey".padEnd(32, "\0"),
    `${"0".repeat(31)}.`,
    `${"0".repeat(28)}.bad`,
    `.tmp-${"0".repeat(27)}`,
    `${"0".repeat(31)}ſ`,
    `${"A".repeat(32)}`,
    `con${"0".repeat(29)}`,
  ];
  using recorded = recordSystem(inside);
  for (const trick of tricks) {
    const header = `latchkey=${trick}${secret}`;
    const headers = { get: () => header };
    const asked = Object.defineProperty(
      new Request("http://localhost/"),
      "headers",
      { value: headers },
    );
    assert((await manager.open(asked)).isNew);
    assertFalse(await manager.hasSession(trick));
    assertFalse(await manager.expire(trick));
  }
  const touched = recorded.take().filter((call) =>
    !/ (?:directory|marker|session)$/.test(call)
  );
  assertEquals(touched, []);
  assertEquals(
    Deno.readTextFileSync(directory.join(outside)),
    "not yours",
  );
});

Deno.test("timing: hashes are compared to their end, wherever they differ", () => {
  const hash = "x".repeat(64);
  const others = [0, 1, 31, 63].map((at) =>
    `${hash.slice(0, at)}y${hash.slice(at + 1)}`
  );
  const charCodeAt = String.prototype.charCodeAt;
  const looks: number[] = [];
  String.prototype.charCodeAt = function (this: string, at: number) {
    looks[looks.length - 1]!++;
    return charCodeAt.call(this, at);
  };
  try {
    for (const other of [hash, ...others]) {
      looks.push(0);
      isSameHash(other, hash);
    }
  } finally {
    String.prototype.charCodeAt = charCodeAt;
  }
  assertEquals(looks, looks.map(() => 2 * hash.length));
});

Deno.test("timing: the store is asked by the ID alone, which is public, and in the same way for a right secret and a wrong one", async () => {
  using directory = new TemporaryDirectory();
  const manager = new SessionManager<Data>({
    store: new DirectorySessionStore(directory.path),
  });
  const session = await manager.open(new Request("http://localhost/"));
  session.set("n", 1);
  const headers = new Headers();
  await manager.commit(session, headers);
  const cookie = cookieOf(headers);
  const wrong = `${cookie.slice(0, -SECRET_LENGTH)}${
    "A".repeat(SECRET_LENGTH)
  }`;
  const unknown = `latchkey=${createSessionId()}${
    cookie.slice(-SECRET_LENGTH)
  }`;
  using recorded = recordSystem(directory.path);
  const callsOf = async (cookie: string, isNew: boolean) => {
    assertEquals((await manager.open(requestWith(cookie))).isNew, isNew);
    return recorded.take();
  };
  const right = await callsOf(cookie, false);
  assertEquals(await callsOf(wrong, true), right);
  // One call, which finds nothing.
  assertEquals((await callsOf(unknown, true)).length, 1);
});

Deno.test("clocks: set forward, a rotation's grace expires early; set back, it lasts as much longer; the session stays", async () => {
  const scene = setUp({ rotateEvery: 10 * MINUTE });
  const { begin, open, look, commit, clock } = scene;
  const { cookie } = await begin();
  clock.now += 10 * MINUTE;
  const renewed = (await commit(await look(cookie))).split(";")[0]!;
  await commit(await look(renewed));
  for (
    const [jump, isNew] of [[-60 * MINUTE, false], [60 * MINUTE, true]] as const
  ) {
    clock.now += jump;
    assertEquals((await open(cookie)).isNew, isNew);
    assertEquals((await open(renewed)).get("n"), 1);
    clock.now -= jump;
  }
  // Back in time it is not rotated anew before it is due.
  clock.now -= 60 * MINUTE;
  assertEquals(await commit(await look(renewed)), "");
});
