import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { SessionLifetime } from "../../src/session/lifetime.ts";
import { Session } from "../../src/session/session.ts";
import { HOUR, MINUTE } from "../constants.ts";
import { BEGIN, setUp } from "./set_up.ts";

const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** The seconds that a `Set-Cookie` gives the cookie; `undefined` for none. */
function maxAgeOf(cookie: string): number | undefined {
  const seconds = /; Max-Age=(\d+)/.exec(cookie)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

Deno.test("the cookie lives as long as the session can: the shorter of both timeouts", async () => {
  const cases: [SessionLifetime, number | undefined][] = [
    [{}, undefined],
    [{ idleTimeout: HOUR }, 3_600],
    [{ absoluteTimeout: DAY }, 86_400],
    [{ idleTimeout: HOUR, absoluteTimeout: DAY }, 3_600],
    [{ idleTimeout: DAY, absoluteTimeout: HOUR }, 3_600],
    [{ idleTimeout: 1_001 }, 2],
    [{ idleTimeout: HOUR, untilBrowserCloses: true }, undefined],
    [{ absoluteTimeout: DAY, untilBrowserCloses: true }, undefined],
    // No browser keeps a cookie for longer than 400 days.
    [{ absoluteTimeout: 2 * YEAR }, 400 * 86_400],
    [{ idleTimeout: 2 * YEAR }, 400 * 86_400],
  ];
  for (const [lifetime, seconds] of cases) {
    const { open, commit } = setUp(lifetime);
    const session = await open();
    session.set("n", 1);
    assertEquals(maxAgeOf(await commit(session)), seconds);
  }
});

Deno.test("a cookie is sent again when a tenth of the idle timeout has passed, not before", async () => {
  const acts = {
    read: (session: Session) => session.get("n"),
    write: (session: Session) => session.set("n", Math.random()),
  };
  for (const act of Object.values(acts)) {
    const { open, commit, begin, clock } = setUp({ idleTimeout: HOUR });
    const { cookie } = await begin();
    const sent: number[] = [];
    for (let minute = 1; minute <= 30; minute++) {
      clock.now = BEGIN + minute * MINUTE;
      const session = await open(cookie);
      act(session);
      const header = await commit(session);
      if (header === "") continue;
      assertEquals(maxAgeOf(header), 3_600);
      assertEquals(header.split(";")[0], cookie);
      sent.push(minute);
    }
    assertEquals(sent, [6, 12, 18, 24, 30]);
  }
});

Deno.test("a cookie of 400 days is sent again every 40 days, until it reaches the end of the session", async () => {
  for (
    const lifetime of [
      { absoluteTimeout: 2 * YEAR },
      { absoluteTimeout: 2 * YEAR, idleTimeout: 3 * YEAR },
    ]
  ) {
    const { open, commit, begin, clock, store } = setUp(lifetime);
    const { id, cookie } = await begin();
    assertEquals((await store.load(id))!.cookieSentAt, BEGIN);
    const sent: number[] = [];
    for (let day = 10; day < 2 * 365; day += 10) {
      clock.now = BEGIN + day * DAY;
      const session = await open(cookie);
      session.set("n", day);
      const header = await commit(session);
      if (header === "") continue;
      const left = (2 * 365 - day) * 86_400;
      assertEquals(maxAgeOf(header), Math.min(left, 400 * 86_400));
      sent.push(day);
    }
    assertEquals(sent, [40, 80, 120, 160, 200, 240, 280, 320, 360]);
  }
});

Deno.test("a cookie whose expiry does not move is sent once", async () => {
  for (
    const lifetime of [
      { absoluteTimeout: DAY },
      { absoluteTimeout: HOUR, idleTimeout: HOUR },
      { idleTimeout: HOUR, untilBrowserCloses: true },
    ]
  ) {
    const { open, commit, begin, clock } = setUp(lifetime);
    const { cookie } = await begin();
    for (let minute = 10; minute < 60; minute += 10) {
      clock.now = BEGIN + minute * MINUTE;
      const session = await open(cookie);
      session.set("n", minute);
      assertEquals(await commit(session), "");
    }
  }
});

Deno.test("setLifetime() survives a restart with other settings", async () => {
  const { open, commit, begin, clock, restart } = setUp({ idleTimeout: HOUR });
  const { cookie } = await begin();
  const session = await open(cookie);
  session.setLifetime({ idleTimeout: 30 * DAY });
  assertEquals(maxAgeOf(await commit(session)), 30 * 86_400);
  clock.now += 29 * DAY;
  const later = restart({ idleTimeout: MINUTE });
  const request = new Request("http://localhost/", { headers: { cookie } });
  assertEquals((await later.open(request)).get("n"), 1);
});

Deno.test("setLifetime() replaces all limits, also the absolute one", async () => {
  const { open, commit, begin, clock, store } = setUp({
    idleTimeout: HOUR,
    absoluteTimeout: DAY,
  });
  const { id, cookie } = await begin();
  const session = await open(cookie);
  clock.now += MINUTE;
  session.setLifetime({ absoluteTimeout: HOUR, untilBrowserCloses: true });
  assertEquals(maxAgeOf(await commit(session)), undefined);
  const record = (await store.load(id))!;
  assertEquals(record.idleTimeout, undefined);
  assertEquals(record.expiresAt, BEGIN + MINUTE + HOUR);
  const again = await open(cookie);
  again.setLifetime({});
  await commit(again);
  assertEquals((await store.load(id))!.expiresAt, undefined);
});

Deno.test("a timeout may be centuries", async () => {
  const longest = Number.MAX_SAFE_INTEGER;
  for (const timeout of ["absoluteTimeout", "idleTimeout"]) {
    const { open, begin, commit } = setUp({ [timeout]: longest });
    const { cookie } = await begin();
    const session = await open(cookie);
    session.setLifetime({ [timeout]: longest });
    assert((await commit(session)).startsWith(cookie));
    assertEquals((await open(cookie)).get("n"), 1);
  }
});

Deno.test("setLifetime() of an empty session stores nothing", async () => {
  const { open, commit, store } = setUp();
  const session = await open();
  session.setLifetime({ idleTimeout: HOUR });
  assertEquals(await commit(session), "");
  assertEquals(store.takeCalls(), []);
  session.set("n", 1);
  assertEquals(maxAgeOf(await commit(session)), 3_600);
});

Deno.test("the cleanup uses each session's own lifetime", async () => {
  const { open, commit, begin, clock, store } = setUp({ idleTimeout: HOUR });
  const remembered = await begin();
  const session = await open(remembered.cookie);
  session.setLifetime({ idleTimeout: 30 * DAY });
  await commit(session);
  const short = await begin();
  clock.now += 2 * HOUR;
  // Neither early nor late, whatever the minutes for those without.
  assertEquals((await store.deleteOldSessions(30)).deleted, 1);
  assertEquals(await store.has(short.id), false);
  assertEquals(await store.has(remembered.id), true);
  clock.now += 31 * DAY;
  assertEquals((await store.deleteOldSessions(1e9)).deleted, 1);
});

Deno.test("a clock set back expires no session, and set forward expires none for good", async () => {
  const { open, commit, begin, clock } = setUp({ idleTimeout: HOUR });
  const { cookie } = await begin();
  clock.now = BEGIN - 10 * DAY;
  assertEquals((await open(cookie)).get("n"), 1);
  clock.now = BEGIN + 365 * DAY;
  assertEquals((await open(cookie)).isNew, true);
  clock.now = BEGIN - 10 * DAY + MINUTE;
  assertEquals((await open(cookie)).get("n"), 1);
  // An access in the future is brought back, so it does not live for ever.
  clock.now = BEGIN - 10 * DAY + 2 * HOUR;
  assertEquals((await open(cookie)).isNew, true);
  const session = await open();
  assertEquals(await commit(session), "");
});

Deno.test("setLifetime() refuses an invalid lifetime", () => {
  const session = new Session();
  const bad = (lifetime: unknown) => () =>
    session.setLifetime(lifetime as SessionLifetime);
  for (const value of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(bad({ idleTimeout: value }), RangeError, "idleTimeout");
    assertThrows(
      bad({ absoluteTimeout: value }),
      RangeError,
      "absoluteTimeout",
    );
  }
  for (const value of ["1", null, {}]) {
    assertThrows(bad({ idleTimeout: value }), TypeError, "idleTimeout");
    assertThrows(bad({ untilBrowserCloses: value }), TypeError, "until");
  }
  const { message } = assertThrows(bad({ idleTimeout: 0 }), RangeError);
  assertMatch(message, /^Cannot set the lifetime: /);
});
