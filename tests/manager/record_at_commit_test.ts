/**
 * What a commit does when the record has another secret by then, or is missing:
 * row by row as the doc comment of `SessionManager` has it, over a real socket. A
 * request opens the session, others change it, and then it commits.
 */

import { assertEquals, assertInstanceOf, assertNotEquals } from "@std/assert";
import { SessionGoneError } from "../../src/core/errors.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import {
  type Act,
  type ActingServer,
  type Answer,
  serveActs,
} from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { idOf } from "./set_up.ts";

/** What happened. */
interface Outcome {
  readonly scene: ActingServer;
  /** The cookie that the request brought. */
  readonly old: string;
  /** The cookie that the other request was given. */
  readonly other: string | undefined;
  readonly answer: Answer;
}

const login = (user: string): Act => (session) => session.setUser(user);
const regenerate: Act = (session) => session.regenerate();
const destroy: Act = (session) => session.destroy();
const expire: Act = (session, manager) => manager.expire(session.id);
const signedIn: Act = (session) => {
  session.set("cart", ["tea"]);
  session.flash("hi", 1);
  session.setUser("ann");
};
const stranger: Act = (session) => {
  session.set("cart", ["tea"]);
  session.flash("hi", 1);
};
const logouts: Readonly<Record<string, Act>> = {
  "destroy()": destroy,
  "setUser(null)": (session) => session.setUser(null),
};

/** How the session is when the request opens it. */
const OPENED: Readonly<Record<string, Act>> = { stranger, "as ann": signedIn };

/** What others do then. */
const MEANWHILE: Readonly<Record<string, Act>> = {
  nothing: () => undefined,
  regenerate,
  "login as ann": login("ann"),
  "login as bob": login("bob"),
  expire,
  revoke: (_session, manager) => manager.revokeUser("ann"),
};

/** What the request does. */
const LATE: Readonly<Record<string, Act>> = {
  "login as ann": login("ann"),
  "login as bob": login("bob"),
  "destroy()": destroy,
  "destroy(), then more": (session) => {
    session.destroy();
    session.set("n", 1);
  },
  "setUser(null)": (session) => session.setUser(null),
  set: (session) => session.set("n", 1),
  "read flash": (session) => session.flash("hi"),
  regenerate,
};

const REFUSED = {
  "destroy()": "refused",
  "destroy(), then more": "refused",
  "setUser(null)": "",
  set: "refused",
  "read flash": "refused",
  regenerate: "refused",
};
const GONE = {
  "destroy()": "",
  "destroy(), then more": "new null",
  "setUser(null)": "",
  set: "refused",
  "read flash": "refused",
  regenerate: "refused",
};
const OWN = { "login as ann": "new ann", "login as bob": "new bob" };
const ENDED = {
  "destroy()": "cleared",
  "destroy(), then more": "new null",
  "setUser(null)": "cleared",
  set: "refused",
  "read flash": "refused",
  regenerate: "refused",
};

/** The cookie that the answer sets, events and errors. */
const ROWS: Readonly<
  Record<string, Record<string, Readonly<Record<string, string>>>>
> = {
  stranger: {
    nothing: {
      "login as ann": "same ann",
      "destroy()": "cleared",
      "destroy(), then more": "new null",
      "setUser(null)": "",
      set: "",
      "read flash": "",
      regenerate: "same null",
    },
    regenerate: { ...OWN, ...REFUSED },
    "login as ann": { ...OWN, ...REFUSED },
    "login as bob": { ...OWN, ...REFUSED },
    expire: { ...OWN, ...GONE },
    revoke: {
      "login as ann": "SessionRevokedError",
      "login as bob": "same bob",
      set: "",
    },
  },
  "as ann": {
    nothing: {
      "login as ann": "same ann",
      "login as bob": "new bob",
      "destroy()": "cleared",
      "setUser(null)": "cleared",
      "destroy(), then more": "new null",
      set: "",
      regenerate: "same ann",
    },
    regenerate: { ...OWN, ...ENDED },
    "login as ann": { ...OWN, ...ENDED },
    "login as bob": { ...GONE, "login as ann": "SessionGoneError" },
    expire: {
      ...GONE,
      "login as ann": "SessionGoneError",
      "login as bob": "new bob",
    },
    revoke: {
      ...GONE,
      "login as ann": "SessionRevokedError",
      "login as bob": "new bob",
    },
  },
};

for (const medium of STORES) {
  /** Begins, opens in one request, changes in another, commits the first. */
  const meet = async (
    begin: Act,
    meanwhile: Act,
    late: Act,
    options: Partial<SessionManagerOptions> = {},
  ): Promise<Outcome & AsyncDisposable> => {
    const scene = await serveActs(medium, options);
    const old = await scene.begin(begin);
    const answer = await scene.hold(old, late);
    const { cookie: other } = await scene.ask(old, meanwhile);
    return {
      scene,
      old,
      other,
      answer: await answer(),
      [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
    };
  };
  const test = (title: string, run: () => Promise<void>) =>
    Deno.test(`at commit, ${title} (${medium})`, run);

  const sealed = { seal: true, secrets: ["s".repeat(32)] };
  const kinds: Record<string, Partial<SessionManagerOptions>> = {
    merge: {},
    strict: { isolation: "strict" },
    sealed,
    "strict, sealed": { isolation: "strict", ...sealed },
  };
  for (const [kind, options] of Object.entries(kinds)) {
    test(`another secret: a login gets a session of its own, with what it found when opened (${kind})`, async () => {
      await using met = await meet(stranger, (session) => {
        session.set("n", 1);
        session.setUser("ann");
      }, (session) => {
        session.get("cart")!.push("milk");
        session.setUser("ann");
      }, options);
      const { scene, old, other, answer } = met;
      assertEquals(answer.status, 200);
      assertNotEquals(idOf(answer.cookie!), idOf(old));
      assertEquals(await scene.show(answer.cookie), {
        id: idOf(answer.cookie!),
        user: "ann",
        data: { cart: ["tea", "milk"] },
      });
      assertEquals(await scene.show(other), {
        id: idOf(old),
        user: "ann",
        data: { cart: ["tea"], n: 1 },
      });
      const flash = await scene.ask(
        answer.cookie,
        (session) => session.flash("hi"),
      );
      assertEquals(flash.result, 1);
      assertEquals(scene.server.events, []);
    });

    test(`every row, by what others did meanwhile and what the request does (${kind})`, async () => {
      for (const [before, rows] of Object.entries(ROWS)) {
        for (const [meanwhile, row] of Object.entries(rows)) {
          for (const [late, expected] of Object.entries(row)) {
            await using met = await meet(
              OPENED[before]!,
              MEANWHILE[meanwhile]!,
              LATE[late]!,
              options,
            );
            const { scene, old, answer } = met;
            const found = await scene.show(answer.cookie);
            const isNew = found && found.id !== idOf(old);
            const events = scene.server.events.map(({ type }) => type);
            const errors = scene.server.errors.map(({ name }) => name);
            const cookie = answer.cookie === ""
              ? ["cleared"]
              : found
              ? [`${isNew ? "new" : "same"} ${found.user}`]
              : [];
            assertEquals(
              [...cookie, ...events, ...errors].join(),
              expected,
              `${before}, ${meanwhile}, ${late}`,
            );
          }
        }
      }
    });
  }

  test("another secret: the session of its own holds no more of the record than data and flash", async () => {
    let now = Date.now();
    const options = { rotateEvery: 1000, now: () => now };
    await using scene = await serveActs(medium, options);
    const first = await scene.begin((session) => {
      signedIn(session, scene.server.manager);
      session.setLabel("a phone");
      session.setLifetime({ idleTimeout: 60_000 });
      session.createFormToken();
    });
    now += 1000;
    const { cookie: old } = await scene.ask(first, (session) => session.user);
    const answer = await scene.hold(old, login("ann"));
    await scene.ask(old, regenerate);
    const { cookie } = await answer();
    const record = (await scene.records()).get(idOf(cookie!))!;
    assertNotEquals(idOf(cookie!), idOf(old!));
    const { secretHash: _secretHash, ...others } = record;
    assertEquals(others, {
      createdAt: now,
      user: "ann",
      signedInAt: now,
      flash: { hi: 1 },
      data: { cart: ["tea"] },
    });
  });

  test("another secret: a login over another user's login leaves that one alone", async () => {
    await using met = await meet(stranger, login("ann"), login("bob"));
    const { scene, other, answer } = met;
    assertEquals((await scene.show(answer.cookie))!.user, "bob");
    assertEquals((await scene.show(other))!.user, "ann");
  });

  test("another secret: the password asked for again in two tabs is right in both", async () => {
    await using met = await meet(signedIn, login("ann"), login("ann"));
    const { scene, other, answer } = met;
    for (const cookie of [other, answer.cookie]) {
      const { user, data } = (await scene.show(cookie))!;
      assertEquals([user, data], ["ann", { cart: ["tea"] }]);
    }
  });

  test("another secret: a login as another ends the session of the user who was signed in", async () => {
    await using met = await meet(signedIn, regenerate, login("bob"));
    const { scene, other, answer } = met;
    const { user, data } = (await scene.show(answer.cookie))!;
    assertEquals([user, data], ["bob", {}]);
    assertEquals(await scene.show(other), undefined);
    assertEquals((await scene.records()).size, 1);
  });

  for (const [how, logout] of Object.entries(logouts)) {
    for (const [kind, options] of Object.entries(kinds)) {
      test(`another secret: ${how} ends the session of the same user (${kind})`, async () => {
        await using met = await meet(signedIn, login("ann"), logout, options);
        const { scene, other, answer } = met;
        assertEquals(answer.cookie, "");
        assertEquals(await scene.show(other), undefined);
        assertEquals((await scene.records()).size, 0);
        assertEquals(scene.server.events, []);
      });
    }

    test(`missing: ${how} has nothing to end and clears no cookie`, async () => {
      await using met = await meet(signedIn, expire, logout);
      assertEquals([met.answer.status, met.answer.cookie], [200, undefined]);
      assertEquals(met.scene.server.events, []);
    });

    test(`missing: what follows ${how} is a new session`, async () => {
      await using met = await meet(signedIn, expire, (session, manager) => {
        logout(session, manager);
        session.set("n", 1);
      });
      const { scene, answer } = met;
      const { user, data } = (await scene.show(answer.cookie))!;
      assertEquals([user, data], [null, { n: 1 }]);
      assertEquals((await scene.records()).size, 1);
    });
  }

  test("another secret: destroy() of a stranger's session does not end a user's", async () => {
    await using met = await meet(stranger, login("ann"), destroy);
    const { scene, old, other, answer } = met;
    assertEquals([answer.status, answer.cookie], [200, undefined]);
    assertEquals((await scene.show(other))!.user, "ann");
    assertEquals(
      scene.server.events.map((event) => [
        event.type,
        "sessionId" in event && event.sessionId,
      ]),
      [["refused", idOf(old)]],
    );
  });

  for (
    const [state, meanwhile] of [["another secret", regenerate], [
      "missing",
      expire,
    ]] as const
  ) {
    test(`${state}: anything else is refused and reported`, async () => {
      for (const begin of [stranger, signedIn]) {
        await using met = await meet(begin, meanwhile, (session) => {
          session.set("n", 1);
          session.regenerate();
        });
        const { scene, answer } = met;
        assertEquals([answer.status, answer.cookie], [200, undefined]);
        assertEquals(scene.server.events.map(({ type }) => type), ["refused"]);
        for (const { data } of (await scene.records()).values()) {
          assertEquals(data, { cart: ["tea"] });
        }
      }
    });
  }

  test("missing: a login of a user who was not signed in gets a new session, of what it did", async () => {
    for (const begin of [stranger, signedIn]) {
      await using met = await meet(begin, expire, (session) => {
        session.setUser("bob");
        session.set("n", 1);
      });
      const { scene, old, answer } = met;
      assertNotEquals(idOf(answer.cookie!), idOf(old));
      const { user, data } = (await scene.show(answer.cookie))!;
      assertEquals([user, data], ["bob", { n: 1 }]);
      assertEquals((await scene.records()).size, 1);
    }
  });

  test("missing: setUser() of the user who was signed in undoes no expire(), and run() throws", async () => {
    await using met = await meet(
      signedIn,
      expire,
      (session) => session.setUser(session.user),
    );
    const { scene, answer } = met;
    assertEquals([answer.status, answer.cookie], [500, undefined]);
    assertInstanceOf(scene.server.errors[0], SessionGoneError);
    assertEquals((await scene.records()).size, 0);
    assertEquals(scene.server.events, []);
  });

  Deno.test(`discard() forgets what was done, and what follows counts (${medium})`, async () => {
    await using scene = await serveActs(medium);
    let token = "";
    const cookie = await scene.begin((session) => {
      signedIn(session, scene.server.manager);
      token = session.createFormToken();
    });
    const acts: Act[] = [
      (session) => session.destroy(),
      (session) => session.setUser("bob"),
      (session) => session.setUser("ann"),
      (session) => session.clear(),
      (session) => session.set("cart", []),
      (session) => session.flash("hi"),
      (session) => session.flash("left", 1),
      (session) => session.setLabel("x"),
      (session) => session.setLifetime({ idleTimeout: 1 }),
      (session) => session.createFormToken(),
      (session) => session.removeFormToken(token),
      (session) => session.regenerate(),
    ];
    const id = idOf(cookie);
    const before = (await scene.records()).get(id);
    for (const act of acts) {
      const { result, cookie: sent } = await scene.ask(
        cookie,
        async (session, manager) => {
          session.get("cart")!.push("milk");
          await act(session, manager);
          session.discard();
          const { id, user, isNew } = session;
          return { id, user, isNew, cart: session.get("cart") };
        },
      );
      assertEquals(sent, undefined);
      assertEquals(result, { id, user: "ann", isNew: false, cart: ["tea"] });
      assertEquals((await scene.records()).get(id), before);
    }
    const { cookie: sent } = await scene.ask(cookie, (session) => {
      session.destroy();
      session.discard();
      session.set("n", 2);
    });
    assertEquals(sent, undefined);
    assertEquals((await scene.show(cookie))!.data, { cart: ["tea"], n: 2 });
  });

  Deno.test(`discard() leaves a consumed form token consumed (${medium})`, async () => {
    await using scene = await serveActs(medium);
    let token = "";
    const cookie = await scene.begin((session) => {
      token = session.createFormToken();
      session.createFormToken();
    });
    const { result } = await scene.ask(cookie, async (session, manager) => {
      const isUsed = await manager.consumeFormToken(session, token);
      session.set("n", 1);
      session.discard();
      return [isUsed, session.hasFormToken(token)];
    });
    assertEquals(result, [true, false]);
    const [record] = (await scene.records()).values();
    assertEquals(record!.formTokens!.length, 1);
    assertEquals(record!.data, {});
  });
}
