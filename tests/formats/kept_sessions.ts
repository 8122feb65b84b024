/** Sessions with something of everything that a record may hold. */

import { assertEquals } from "@std/assert";
import type { SessionStore } from "../../src/core/store.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { HOUR, MINUTE, SEALING } from "../constants.ts";

/** What a browser has, and what its session is to be. */
export interface KeptSession {
  readonly title: string;
  /** The header `Cookie`. */
  readonly cookie: string;
  readonly seal: boolean;
  /** What {@linkcode describe} says of it. */
  readonly expected: unknown;
}

/** What is kept beside the media. */
export interface Kept {
  /** When they are read, in ms since the epoch. */
  readonly now: number;
  readonly sessions: readonly KeptSession[];
  /** How many sessions each user has. */
  readonly users: Readonly<Record<string, number>>;
}

type Data = Record<string, unknown>;

const BEGIN = 1_790_000_000_000;
const KEY = "n";
const ANY_URL = "https://localhost/";

function managerOf(
  store: SessionStore,
  seal: boolean,
  now: () => number,
): SessionManager<Data> {
  return new SessionManager<Data>({
    store,
    now,
    seal,
    secrets: SEALING.secrets,
    rotateEvery: HOUR,
    rotateGrace: MINUTE,
  });
}

/**
 * Makes the sessions.
 *
 * @param copy Puts a store's records into all media.
 */
export async function makeSessions(
  copy: (store: SessionStore, now: number) => Promise<void>,
): Promise<Kept> {
  let time = BEGIN;
  const now = () => time;
  const store = new MemorySessionStore({ now });
  const made: Omit<KeptSession, "expected">[] = [];
  const visit = async (
    title: string,
    seal: boolean,
    act: (session: Session<Data>) => void,
    before = "",
  ): Promise<string> => {
    const request = new Request(ANY_URL, { headers: { cookie: before } });
    const manager = managerOf(store, seal, now);
    const response = await manager.run(request, (session) => {
      act(session);
      return new Response();
    });
    const cookie = response.headers.getSetCookie()[0]!.split(";")[0]!;
    made.push({ title, cookie, seal });
    return cookie;
  };
  const signsIn = (user: string) => (session: Session<Data>) =>
    session.setUser(user);

  await visit(
    "a user, a label, a flash message, any data",
    false,
    (session) => {
      session.setUser("ann");
      session.setLabel("Firefox on Linux");
      session.set("text", 'ä€😀 "\\\n\u2028');
      session.set("list", [1.5e300, -1, null, true, { deep: [{}] }]);
      session.flash("note", "saved");
      session.createFormToken();
    },
  );
  await visit("a sealed session of the same user", true, (session) => {
    session.setUser("ann");
    session.set("card", { last4: "4242" });
  });
  await visit("a lifetime, and a key that expires", false, (session) => {
    session.set(KEY, 1, { ttl: 10 * HOUR });
    session.setLifetime({ idleTimeout: 24 * HOUR, untilBrowserCloses: true });
  });
  await visit("a session that was revoked", false, signsIn("ben"));
  const manager = managerOf(store, false, now);
  const [ben] = await manager.sessionsOf("ben");
  const revoked = await store.load(ben!.id);
  await manager.revokeUser("ben");
  // As where a process was killed before it deleted the session.
  await store.create(ben!.id, revoked!);
  const carol = await visit(
    "a secret that was replaced",
    false,
    signsIn("carol"),
  );
  time += 2 * HOUR;
  await visit("a login after the revocation", false, signsIn("ben"));
  await visit("a new secret", false, (session) => session.get(KEY), carol);

  await copy(store, time);
  const sessions: KeptSession[] = [];
  for (const one of made) {
    const { seal, cookie } = one;
    sessions.push({
      ...one,
      expected: await describe(store, seal, cookie, now),
    });
  }
  return { now: time, sessions, users: { ann: 2, ben: 1, carol: 1 } };
}

/** Returns what the application sees of a session. */
async function describe(
  store: SessionStore,
  seal: boolean,
  cookie: string,
  now: () => number,
): Promise<unknown> {
  const manager = managerOf(store, seal, now);
  const request = new Request(ANY_URL, { headers: { cookie } });
  const session = await manager.open(request);
  try {
    return session.isNew ? null : {
      user: session.user,
      data: Object.fromEntries(session.entries()),
      expiresAt: session.expiresAt,
    };
  } finally {
    await manager.close(session);
  }
}

/** Compares the sessions that a store holds with what is kept of them. */
export async function assertKept(
  store: SessionStore,
  { now, sessions, users }: Kept,
): Promise<void> {
  for (const { title, cookie, seal, expected } of sessions) {
    const found = await describe(store, seal, cookie, () => now);
    assertEquals(JSON.parse(JSON.stringify(found)), expected, title);
  }
  const manager = managerOf(store, false, () => now);
  for (const [user, count] of Object.entries(users)) {
    assertEquals((await manager.sessionsOf(user)).length, count, user);
  }
  const [ann] = sessions;
  const request = new Request(ANY_URL, { headers: { cookie: ann!.cookie } });
  await manager.run(request, (session) => {
    assertEquals(session.flash("note"), "saved");
    session.set(KEY, 2);
    return new Response();
  });
  const changed = await describe(store, false, ann!.cookie, () => now) as {
    readonly data: unknown;
  };
  const before = ann!.expected as { readonly data: Data };
  assertEquals(changed.data, { ...before.data, [KEY]: 2 });
}
