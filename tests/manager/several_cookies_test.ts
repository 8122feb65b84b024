/**
 * Several cookies of the same name, over a real socket: which one counts, and
 * what the others cost. A browser sends them where an application on another
 * path, another port or a neighbouring host has set one, and where our own has
 * had another Domain, Path or Partitioned.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { hashSecret } from "../../src/core/token.ts";
import { MINUTE } from "../constants.ts";
import { type Act, type ActingServer, serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { BEGIN, idOf, lastAccessOf, setUp } from "./set_up.ts";

const SECRET_LENGTH = 22;
const SECRETS = ["a".repeat(32), "b".repeat(32)];
/** A token that opens nothing. */
const STRANDED = `latchkey=${"0123456789abcdef".repeat(2)}${"A".repeat(22)}`;

const begins: Act = (session) => session.set("n", 1);
const counts: Act = (session) => session.update("n", (n = 0) => n + 1);
const looks: Act = (session) => session.isNew ? null : session.get("n");
const signsIn = (user: string): Act => (session) => session.setUser(user);

/** Both orders of two cookies. */
function inEachOrder(one: string, other: string): string[] {
  return [`${one}; ${other}`, `${other}; ${one}`];
}

function withSecret(cookie: string, secret: string): string {
  return cookie.slice(0, -SECRET_LENGTH) + secret;
}

for (const medium of STORES) {
  Deno.test(`${medium}: of several tokens the one that opens a session counts`, async () => {
    await using acting = await serveActs(medium);
    const { ask, begin, server } = acting;
    const own = await begin(begins);
    const ended = await begin(begins);
    await server.manager.expire(idOf(ended));
    const dead = [STRANDED, ended, withSecret(own, "A".repeat(22))];
    let n = 1;
    for (const other of dead) {
      for (const cookies of inEachOrder(own, other)) {
        const { result, cookie } = await ask(cookies, counts);
        assertEquals([result, cookie], [++n, undefined]);
      }
    }
    assertEquals((await ask([...dead, own].join("; "), looks)).result, n);
    assertEquals((await ask(dead.join("; "), looks)).result, null);
    assertEquals((await acting.records()).size, 1);
    assertEquals(server.events, []);
  });

  Deno.test(`${medium}: of two tokens of one session the newer secret counts`, async () => {
    let now = BEGIN;
    await using acting = await serveActs(medium, {
      rotateEvery: 10 * MINUTE,
      now: () => now,
    });
    const { ask, begin, server } = acting;
    const old = await begin(begins);
    now += 10 * MINUTE;
    const own = (await ask(old, looks)).cookie!;
    for (const cookies of inEachOrder(old, own)) {
      const { result, cookie } = await ask(cookies, looks);
      assertEquals([result, cookie], [1, undefined]);
    }
    // The one before alone is handed the newer one, beside a token of nothing.
    for (const cookies of inEachOrder(old, STRANDED)) {
      const { result, cookie } = await ask(cookies, looks);
      assertEquals([result, cookie], [1, own]);
    }
    assertEquals(server.events, []);
  });

  Deno.test(`${medium}: two tokens that open different sessions are ignored, prolong nothing, and are reported`, async () => {
    let now = Date.now();
    await using acting = await serveActs(medium, {
      idleTimeout: 10 * MINUTE,
      now: () => now,
    });
    const { ask, begin, server } = acting;
    const own = await begin(signsIn("ann"));
    const planted = await begin(begins);
    const before = await acting.records();
    const ids = [own, planted].map(idOf);
    const accesses = () =>
      Promise.all(ids.map((id) => lastAccessOf(server.store, id)));
    const accessesBefore = await accesses();
    now += 5 * MINUTE;
    for (const cookies of inEachOrder(own, planted)) {
      const { result, cookie } = await ask(cookies, looks);
      assertEquals([result, cookie], [null, undefined]);
    }
    assertEquals(server.events, [
      { type: "ambiguous", sessionIds: ids },
      { type: "ambiguous", sessionIds: ids.toReversed() },
    ]);
    assertEquals(await accesses(), accessesBefore);
    assertEquals(await acting.records(), before);
    // As soon as the other is gone, all is as it was.
    assertEquals((await acting.show(own))!.user, "ann");
  });

  Deno.test(`${medium}: five tokens are ignored and reported, four are not`, async () => {
    await using acting = await serveActs(medium);
    const { ask, begin, server } = acting;
    const own = await begin(begins);
    const others = Array.from(
      { length: 4 },
      (_, at) => withSecret(STRANDED, `${at}`.repeat(SECRET_LENGTH)),
    );
    const cookies = [...others.slice(1), own, own, "latchkey=x"];
    assertEquals((await ask(cookies.join("; "), looks)).result, 1);
    assertEquals(server.events, []);
    assertEquals((await ask([...others, own].join("; "), looks)).result, null);
    assertEquals(server.events, [{ type: "ambiguous", sessionIds: [] }]);
  });

  Deno.test(`${medium}: a token of a session that was revoked does not count`, async () => {
    await using acting = await serveActs(medium);
    const { ask, begin, server } = acting;
    const own = await begin(begins);
    const revoked = await begin(signsIn("ann"));
    const record = (await server.store.load(idOf(revoked)))!;
    await server.manager.revokeUser("ann");
    // One that the listing has missed.
    await server.store.save(idOf(revoked), record);
    for (const cookies of inEachOrder(own, revoked)) {
      assertEquals((await ask(cookies, looks)).result, 1);
    }
    assertEquals(server.events, []);
  });

  Deno.test(`${medium}: a secret that was rotated away is reported, or ends anything, only if no token fits`, async () => {
    let now = BEGIN;
    await using acting = await serveActs(medium, {
      rotateEvery: 10 * MINUTE,
      endOnReuse: true,
      now: () => now,
    });
    const { ask, begin, server } = acting;
    const olds = [await begin(begins), await begin(begins)];
    now += 10 * MINUTE;
    const news: string[] = [];
    for (const old of olds) {
      const { cookie } = await ask(old, looks);
      assertEquals((await ask(cookie, looks)).result, 1);
      news.push(cookie!);
    }
    now += MINUTE;
    for (
      const cookies of [
        ...inEachOrder(olds[0]!, news[0]!),
        ...inEachOrder(olds[0]!, news[1]!),
      ]
    ) {
      assertEquals((await ask(cookies, looks)).result, 1);
    }
    assertEquals(server.events, []);
    assertEquals((await acting.records()).size, 2);

    const cookies = [STRANDED, ...olds].join("; ");
    assertEquals((await ask(cookies, looks)).result, null);
    assertEquals(
      server.events,
      olds.map((old) => ({ type: "reused", sessionId: idOf(old) })),
    );
    assertEquals((await acting.records()).size, 0);
  });

  Deno.test(`${medium}: a token whose session's data cannot be opened counts like another`, async () => {
    const [secret] = SECRETS;
    await using acting = await serveActs(medium, {
      seal: true,
      secrets: [secret!],
    });
    const { ask, begin, server } = acting;
    const own = await begin(begins);
    const sealed = await begin(begins);
    const record = (await server.store.load(idOf(sealed)))!;
    const unopenable = withSecret(sealed, "A".repeat(SECRET_LENGTH));
    await server.store.save(idOf(sealed), {
      ...record,
      secretHash: hashSecret("A".repeat(SECRET_LENGTH)),
    });
    for (const cookies of inEachOrder(own, unopenable)) {
      assertEquals((await ask(cookies, looks)).result, null);
    }
    assertEquals(server.events.map(({ type }) => type), [
      "ambiguous",
      "ambiguous",
    ]);
    for (const cookies of inEachOrder(STRANDED, unopenable)) {
      assertEquals((await ask(cookies, looks)).result, null);
    }
    assertEquals((await ask(own, looks)).result, 1);
  });

  Deno.test(`${medium}: exclusive requests with a second cookie wait for each other`, async () => {
    await using acting = await serveActs(medium, { isolation: "exclusive" });
    const { ask, begin } = acting;
    const own = await begin(begins);
    const slow: Act = async (session) => {
      const n = session.get("n")!;
      await new Promise((resolve) => setTimeout(resolve));
      session.set("n", n + 1);
    };
    const cookies = inEachOrder(own, STRANDED);
    await Promise.all([...cookies, ...cookies].map((each) => ask(each, slow)));
    assertEquals((await ask(own, looks)).result, 5);
    assertEquals((await ask(cookies[0], looks)).result, 5);
  });
}

/** What ends sessions; the answer's cookie is cleared. */
const LOGOUTS: Readonly<Record<string, Act>> = {
  "destroy()": (session) => session.destroy(),
  "setUser(null)": (session) => session.setUser(null),
};

/** Sessions of two users, and the header with the tokens of both. */
async function plant({ begin }: ActingServer) {
  const own = await begin(signsIn("ann"));
  const planted = await begin(signsIn("eve"));
  return { own, planted, both: `${planted}; ${own}` };
}

for (const medium of STORES) {
  Deno.test(`${medium}: a login in a request whose tokens open different sessions ends them`, async () => {
    await using acting = await serveActs(medium);
    const { ask, show, server } = acting;
    const { own, planted, both } = await plant(acting);
    const { cookie } = await ask(both, (session) => {
      session.set("n", 7);
      session.setUser("ann");
    });
    assertEquals([...(await acting.records()).keys()], [idOf(cookie!)]);
    for (const old of [own, planted]) assertEquals(await show(old), undefined);
    // The browser cannot tell them apart, and still sends both.
    for (const cookies of inEachOrder(cookie!, planted)) {
      const { user, data } = (await show(cookies))!;
      assertEquals([user, data], ["ann", { n: 7 }]);
    }
    assertEquals(server.events.length, 1);
    assertEquals(server.manager.counters.commits, 3);
  });

  for (const [title, act] of Object.entries(LOGOUTS)) {
    Deno.test(`${medium}: ${title} in a request whose tokens open different sessions ends them`, async () => {
      await using acting = await serveActs(medium);
      const { ask, show } = acting;
      const { both } = await plant(acting);
      assertEquals((await ask(both, act)).cookie, "");
      assertEquals((await acting.records()).size, 0);
      // Nothing is left to end, so no cookie is cleared.
      assertEquals((await ask(both, act)).cookie, undefined);

      const again = await plant(acting);
      const { cookie } = await ask(again.both, async (session, manager) => {
        await act(session, manager);
        session.set("bye", true);
      });
      assertEquals((await show(cookie))!.data, { bye: true });
      assertEquals((await acting.records()).size, 1);
    });
  }

  Deno.test(`${medium}: what is neither a login nor a logout ends no session of several`, async () => {
    await using acting = await serveActs(medium);
    const { ask, show } = acting;
    const { own, planted, both } = await plant(acting);
    const acts: Act[] = [
      looks,
      begins,
      (session) => session.regenerate(),
      (session) => {
        session.setUser("ann");
        session.destroy();
        session.discard();
      },
      (session) => {
        session.set("n", 1);
        session.destroy();
        throw new Error("the handler fails");
      },
    ];
    for (const act of acts) await ask(both, act);
    assertEquals((await show(own))!.user, "ann");
    assertEquals((await show(planted))!.user, "eve");
  });

  Deno.test(`${medium}: a login that cannot be kept ends no session of several`, async () => {
    await using acting = await serveActs(medium, { maxBytes: 100 });
    const { ask, show } = acting;
    const { own, planted, both } = await plant(acting);
    const { status, cookie } = await ask(both, (session) => {
      session.setUser("ann");
      session.set("cart", ["x".repeat(100)]);
    });
    assertEquals([status, cookie], [500, undefined]);
    assertEquals((await show(own))!.user, "ann");
    assertEquals((await show(planted))!.user, "eve");
  });

  Deno.test(`${medium}: a login among several tokens ends no session that has a new secret since`, async () => {
    await using acting = await serveActs(medium);
    const { ask, hold, show } = acting;
    const { own, both } = await plant(acting);
    const release = await hold(both, signsIn("ann"));
    const other = (await ask(own, signsIn("ann"))).cookie!;
    const { cookie } = await release();
    assertEquals((await show(other))!.user, "ann");
    assertEquals((await show(cookie))!.user, "ann");
    assertEquals((await acting.records()).size, 2);
  });

  Deno.test(`${medium}: of two logins at once among several tokens each leaves one session`, async () => {
    await using acting = await serveActs(medium);
    const { hold, show } = acting;
    const { both } = await plant(acting);
    const users = ["ann", "ben"];
    const releases = [];
    for (const user of users) releases.push(await hold(both, signsIn(user)));
    for (const [at, release] of releases.entries()) {
      const { cookie } = await release();
      assertEquals((await show(cookie))!.user, users[at]);
    }
    assertEquals((await acting.records()).size, 2);
  });

  Deno.test(`${medium}: two requests at once among several tokens leave the browser signed in by its own login, or signed out`, async () => {
    const acts: Readonly<Record<string, Act>> = {
      ann: signsIn("ann"),
      ben: signsIn("ben"),
      ...LOGOUTS,
      regenerate: (session) => session.regenerate(),
      writes: begins,
      looks,
    };
    const names = Object.keys(acts);
    const pairs = names.flatMap((one) => names.map((other) => [one, other]));
    await using acting = await serveActs(medium);
    const { hold, show } = acting;
    for (const pair of pairs) {
      for (const isReversed of [false, true]) {
        const { own, planted, both } = await plant(acting);
        const releases = [];
        for (const name of pair) releases.push(await hold(both, acts[name]!));
        const answers = [];
        for (const release of releases) answers.push(await release());

        let held: string | undefined = own;
        for (const { cookie } of isReversed ? answers.toReversed() : answers) {
          if (cookie !== undefined) held = cookie === "" ? undefined : cookie;
        }
        const how = `${pair}, ${isReversed}`;
        const shown = await show(
          held === undefined ? planted : `${planted}; ${held}`,
        );
        const logins = pair.filter((name) => ["ann", "ben"].includes(name));
        const isEnding = pair.some((name) =>
          name in LOGOUTS || logins.includes(name)
        );
        const user = shown?.user ?? null;
        assert(user === null || logins.includes(user), `${how}: ${user}`);
        for (const old of [own, planted]) {
          assertEquals(await show(old) === undefined, isEnding, how);
        }
        for (const name of logins) {
          const { cookie } = answers[pair.indexOf(name)]!;
          assertEquals((await show(cookie))!.user, name, how);
        }
      }
    }
  });

  Deno.test(`${medium}: a login and a logout end a session whose data cannot be opened, to look at it does not`, async () => {
    const options = { seal: true, onEvent: () => {} };
    await using acting = await serveActs(medium, {
      ...options,
      secrets: [SECRETS[0]!],
    });
    const { store } = acting.server;
    await using later = await serveActs(medium, {
      ...options,
      store,
      secrets: [SECRETS[1]!],
    });
    const acts = [...Object.values(LOGOUTS), signsIn("ann")];
    for (const act of acts) {
      const own = await acting.begin(signsIn("ann"));
      const { result, cookie } = await later.ask(own, looks);
      assertEquals([result, cookie], [null, undefined]);
      assert(await store.has(idOf(own)));
      const answer = await later.ask(own, act);
      assertEquals(await store.has(idOf(own)), false);
      assertEquals(answer.cookie === "", act !== acts.at(-1));
    }
    assertEquals((await later.records()).size, 1);
  });

  Deno.test(`${medium}: a login ends a session whose data does not fit the schema`, async () => {
    let isStrict = false;
    const schema = {
      "~standard": {
        version: 1 as const,
        vendor: "test",
        validate: (value: unknown) =>
          isStrict && (value as { n?: number }).n === 1
            ? { issues: [{ path: ["n"] }] }
            : { value: value as Record<string, unknown> },
      },
    };
    await using acting = await serveActs(medium, { schema });
    const { ask, begin, show, server } = acting;
    const own = await begin(begins);
    isStrict = true;
    const { cookie } = await ask(own, signsIn("ann"));
    assertEquals((await show(cookie))!.user, "ann");
    assertEquals(server.events.map(({ type }) => type), ["invalid"]);
    assertEquals([...(await acting.records()).keys()], [idOf(cookie!)]);
  });
}

Deno.test("a second commit that signs in ends what the first one left", async () => {
  const { begin, open, commit, store } = setUp();
  const cookies = [await begin(), await begin()];
  const session = await open(cookies.map(({ cookie }) => cookie).join("; "));
  session.set("n", 1);
  await commit(session);
  for (const { id } of cookies) assert(await store.has(id));
  session.setUser("ann");
  const cookie = (await commit(session)).split(";")[0]!;
  for (const { id } of cookies) assert(!await store.has(id));
  assertEquals((await open(cookie)).user, "ann");
});

Deno.test("a logout among several tokens fails when the store does, and can be tried again", async () => {
  const { begin, open, commit, store } = setUp();
  const cookies = [await begin(), await begin()];
  const session = await open(cookies.map(({ cookie }) => cookie).join("; "));
  session.destroy();
  store.failure = new Error("the store is away");
  await assertRejects(() => commit(session), Error, "the store is away");
  store.failure = undefined;
  assertEquals((await commit(session)).includes("Max-Age=0"), true);
  for (const { id } of cookies) assert(!await store.has(id));
});

Deno.test("one token costs one load; of two to four each is loaded, then the chosen one; five cost nothing", async () => {
  const { begin, open, store, events } = setUp();
  const own = await begin();
  const others = await Promise.all([begin(), begin()]);
  for (const { id } of others) await store.delete(id);
  store.takeCalls();
  const unknown = Array.from(
    { length: 2 },
    (_, at) => `latchkey=${`${at}`.repeat(32)}${`${at}`.repeat(SECRET_LENGTH)}`,
  );
  const all = [own, ...others].map(({ cookie }) => cookie).concat(unknown);
  for (const [count, loads] of [[1, 1], [2, 3], [3, 4], [4, 5]] as const) {
    const session = await open(all.slice(0, count).join("; "));
    assertEquals([session.isNew, session.get("n")], [false, 1]);
    assertEquals(store.takeCalls(), Array(loads).fill("load"));
  }
  assert((await open(all.join("; "))).isNew);
  assertEquals(store.takeCalls(), []);
  assertEquals(events, [{ type: "ambiguous", sessionIds: [] }]);
});
