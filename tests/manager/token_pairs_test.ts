/**
 * Two cookies of the same name, of every two kinds and in both orders, over a
 * real socket: whose session a request gets, what is reported, and what a login
 * or logout ends.
 */

import { assertEquals } from "@std/assert";
import { SessionManager } from "../../src/manager/manager.ts";
import { MINUTE } from "../constants.ts";
import { type Act, type ActingServer, serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { cookieOf, idOf, requestWith } from "./set_up.ts";

const SECRET_LENGTH = 22;
const OURS = "o".repeat(32);
const THEIRS = "t".repeat(32);
const GRACE = MINUTE;

/** A cookie, and what it is to the session of its token. */
interface Brought {
  readonly cookie: string;
  /** The session that it fits. */
  readonly fits?: string;
  /** As whom it is signed in; missing where nothing opens the data. */
  readonly user?: string;
  /** The session of which it was a secret. */
  readonly reused?: string;
  /** The session that has ended, whose record is still there. */
  readonly revoked?: string;
}

/** What makes a cookie of each kind. */
interface World {
  readonly scene: ActingServer;
  readonly clock: { now: number };
  /** Begins a session of a server that has another secret. */
  beginTheirs(user: string): Promise<string>;
}

const looks: Act = (session) => session.user;
let users = 0;

/** Begins a session of a new user. */
async function begin(
  { scene }: World,
): Promise<{ cookie: string; fits: string; user: string }> {
  const user = `user ${users++}`;
  const cookie = await scene.begin((session) => session.setUser(user));
  return { cookie, fits: idOf(cookie), user };
}

const KINDS: Readonly<Record<string, (world: World) => Promise<Brought>>> = {
  good: begin,
  "good, too": begin,
  "rotated, not yet confirmed": async (world) => {
    const begun = await begin(world);
    world.clock.now += MINUTE;
    await world.scene.ask(begun.cookie, looks);
    return begun;
  },
  "rotated away": async (world) => {
    const { cookie, fits: reused } = await begin(world);
    world.clock.now += MINUTE;
    const { cookie: next } = await world.scene.ask(cookie, looks);
    await world.scene.ask(next, looks);
    world.clock.now += GRACE;
    return { cookie, reused };
  },
  "wrong secret": async (world) => {
    const { cookie } = await begin(world);
    const secret = "A".repeat(SECRET_LENGTH);
    return { cookie: cookie.slice(0, -SECRET_LENGTH) + secret };
  },
  revoked: async (world) => {
    const { cookie, fits: revoked, user } = await begin(world);
    const { store, manager } = world.scene.server;
    // A listing has missed it.
    const record = (await store.load(revoked))!;
    await manager.revokeUser(user);
    await store.save(revoked, record);
    return { cookie, revoked };
  },
  unopenable: async (world) => {
    const cookie = await world.beginTheirs(`user ${users++}`);
    return { cookie, fits: idOf(cookie) };
  },
  "no token": () => Promise.resolve({ cookie: 'latchkey="a.b"' }),
  empty: () => Promise.resolve({ cookie: "latchkey=" }),
};

const ACTS: Readonly<Record<string, Act>> = {
  nothing: () => undefined,
  login: (session) => session.setUser("new"),
  "setUser(null)": (session) => session.setUser(null),
  "destroy()": (session) => session.destroy(),
};

for (const medium of STORES) {
  for (const isolation of ["merge", "exclusive"] as const) {
    Deno.test(`two cookies of every two kinds: whose session it is, what is reported and what ends (${medium}, ${isolation})`, async () => {
      const clock = { now: Date.now() };
      const settings = { now: () => clock.now, seal: true };
      await using scene = await serveActs(medium, {
        ...settings,
        isolation,
        secrets: [OURS],
        rotateEvery: MINUTE,
        rotateGrace: GRACE,
      });
      const { store } = scene.server;
      const theirs = new SessionManager({
        ...settings,
        store,
        secrets: [THEIRS],
      });
      const world: World = {
        scene,
        clock,
        beginTheirs: async (user) => {
          const session = await theirs.open(requestWith(null));
          session.setUser(user);
          const headers = new Headers();
          await theirs.commit(session, headers);
          return cookieOf(headers);
        },
      };
      for (const [one, makeOne] of Object.entries(KINDS)) {
        for (const [other, makeOther] of Object.entries(KINDS)) {
          for (const [act, does] of Object.entries(ACTS)) {
            const brought = [await makeOne(world), await makeOther(world)];
            const before = [...(await scene.records()).keys()];
            const told = scene.server.events.length;
            const { status, result, cookie } = await scene.ask(
              brought.map(({ cookie }) => cookie).join("; "),
              async (session, manager) => {
                const { user } = session;
                await does(session, manager);
                return user;
              },
            );
            const after = await scene.records();
            const what = `${one}; ${other}: ${act}`;
            const events = scene.server.events.slice(told)
              .map(({ type }) => type);
            assertEquals(
              {
                status,
                user: result as string | null,
                events,
                ended: before.filter((id) => !after.has(id)).sort(),
                isCleared: cookie === "",
              },
              expected(brought, act),
              what,
            );
            // What is left would make each listing slower.
            for (const id of after.keys()) await store.delete(id);
          }
        }
      }
    });
  }
}

/** What the contract says of a request with these cookies. */
function expected(brought: readonly Brought[], act: string) {
  const fitting = brought.filter(({ fits }) => fits !== undefined);
  const reused = brought.filter(({ reused }) => reused !== undefined);
  const ids = fitting.map(({ fits }) => fits!);
  const isAlone = fitting.length === 1;
  const [{ user = null } = {}] = fitting;
  return {
    status: 200,
    user: isAlone ? user : null,
    events: fitting.length > 1
      ? ["ambiguous"]
      : isAlone
      ? user === null ? ["unopenable"] : []
      : reused.map(() => "reused"),
    // A request with one token alone deletes a session that it finds revoked.
    ended: [
      ...act === "nothing" ? [] : ids,
      ...tokensIn(brought) === 1
        ? brought.flatMap(({ revoked = [] }) => revoked)
        : [],
    ].sort(),
    isCleared: act !== "nothing" && act !== "login" && ids.length > 0,
  };
}

function tokensIn(brought: readonly Brought[]): number {
  return brought.filter(({ cookie }) => !/=$|"/.test(cookie)).length;
}
