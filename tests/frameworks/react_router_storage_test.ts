/** `getSession` and the others, beside those that React Router itself has. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createMemorySessionStorage, isSession } from "npm:react-router@8.5.3";
import type { Session, SessionStorage } from "npm:react-router@8.5.3";
import type { SessionStorage as SessionStorage7 } from "npm:react-router@7.18.6";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { reactRouterSessionStorage } from "../../src/frameworks/react_router.ts";
import { SessionManager } from "../../src/manager/manager.ts";

interface Data {
  cart: string[];
  theme: string | null;
}

interface FlashData {
  error: string;
}

type Storage = SessionStorage<Data, FlashData>;
type Act = (session: Session<Data, FlashData>) => unknown;

/** Without it, theirs prints a warning. */
const SIGNED = { cookie: { secrets: ["secret"] } };

/** Each line is a request; its acts are done to one session of it. */
const REQUESTS: readonly (readonly Act[])[] = [
  [
    (session) => session.has("cart"),
    (session) => session.get("cart"),
    (session) => session.get("error"),
    (session) => session.set("cart", ["tea"]),
    (session) => session.has("cart"),
    (session) => session.get("cart"),
    (session) => session.data,
  ],
  [(session) => session.get("cart"), (session) => session.set("theme", null)],
  [
    (session) => session.has("theme"),
    (session) => session.get("theme"),
    (session) => session.data,
    (session) => session.flash("error", "wrong"),
  ],
  [(session) => session.has("error"), (session) => session.has("error")],
  [
    (session) => session.get("error"),
    (session) => session.has("error"),
    (session) => session.get("error"),
  ],
  [(session) => session.has("error"), (session) => session.get("error")],
  [
    (session) => session.unset("cart"),
    (session) => session.has("cart"),
    (session) => session.flash("error", "again"),
  ],
  [(session) => session.unset("error"), (session) => session.data],
  [(session) => session.has("error"), (session) => session.get("cart")],
];

function makeManager(): SessionManager<Data> {
  return new SessionManager<Data>({ store: new MemorySessionStore() });
}

/** Answers what a browser sends after it got this `Set-Cookie` header. */
function receive(cookie: string | null, setCookie: string): string | null {
  return setCookie === "" ? cookie : setCookie.split(";", 1)[0]!;
}

async function play(
  { getSession, commitSession }: Storage,
): Promise<unknown[][]> {
  const answers: unknown[][] = [];
  let cookie: string | null = null;
  for (const acts of REQUESTS) {
    const session = await getSession(cookie);
    answers.push(acts.map((act) => act(session)));
    cookie = receive(cookie, await commitSession(session));
  }
  return answers;
}

Deno.test("reactRouterSessionStorage() answers as a storage of React Router", async () => {
  const theirs = createMemorySessionStorage<Data, FlashData>(SIGNED);
  const ours = reactRouterSessionStorage<Data, FlashData>(makeManager());
  assertEquals(await play(ours), await play(theirs));
});

Deno.test("reactRouterSessionStorage() is a storage for the types of React Router 7 and 8", async () => {
  const sessions = makeManager();
  const storage = reactRouterSessionStorage<Data, FlashData>(sessions);
  storage satisfies SessionStorage<Data, FlashData>;
  storage satisfies SessionStorage7<Data, FlashData>;
  const session = await storage.getSession();
  assertEquals(isSession(session), true);
  session.get("cart") satisfies string[] | undefined;
  session.get("error") satisfies string | undefined;
  session.session.get("cart") satisfies string[] | undefined;
  // @ts-expect-error: it is not any
  session.get("cart") satisfies number | undefined;
  // @ts-expect-error: there is no such key
  session.get("card");
  // @ts-expect-error: its values are arrays
  session.set("theme", 1);
  // @ts-expect-error: it is not a flash message
  session.flash("cart", []);
  // @ts-expect-error: lifetimes are the manager's
  await storage.commitSession(session, { maxAge: 1 });

  const plain = reactRouterSessionStorage(sessions);
  plain satisfies SessionStorage<Data>;
  // @ts-expect-error: flash messages have the keys of the data, as theirs do
  (await plain.getSession()).flash("error", "wrong");
});

Deno.test("commitSession() resolves to nothing when no cookie is due", async () => {
  const { getSession, commitSession } = reactRouterSessionStorage(
    makeManager(),
  );
  const unused = await getSession(null);
  assertEquals(await commitSession(unused), "");
  const read = await getSession("latchkey=none");
  assertEquals([read.has("cart"), read.get("cart")], [false, undefined]);
  assertEquals(await commitSession(read), "");

  read.set("cart", ["tea"]);
  const cookie = receive(null, await commitSession(read));
  const session = await getSession(cookie);
  session.set("cart", ["milk"]);
  assertEquals(await commitSession(session), "");
  assertEquals((await getSession(cookie)).get("cart"), ["milk"]);
});

Deno.test("commitSession() of two requests at once keeps what both did", async () => {
  const storage = reactRouterSessionStorage(makeManager());
  const first = await storage.getSession();
  first.set("theme", "dark");
  const cookie = receive(null, await storage.commitSession(first));
  const [one, other] = [
    await storage.getSession(cookie),
    await storage.getSession(cookie),
  ];
  one.set("cart", ["tea"]);
  other.set("theme", "light");
  await storage.commitSession(one);
  await storage.commitSession(other);
  const { data } = await storage.getSession(cookie);
  assertEquals(data, { cart: ["tea"], theme: "light" });
});

Deno.test("a login through getSession() gives a new cookie, and ends the old one", async () => {
  const { getSession, commitSession } = reactRouterSessionStorage(
    makeManager(),
  );
  const before = await getSession();
  before.set("theme", "dark");
  const planted = receive(null, await commitSession(before));
  const login = await getSession(planted);
  login.session.setUser("ann");
  const cookie = receive(planted, await commitSession(login));
  assert(cookie !== planted);
  const after = await getSession(cookie);
  assertEquals([after.session.user, after.get("theme")], ["ann", "dark"]);
  assertEquals((await getSession(planted)).session.user, null);
});

Deno.test("destroySession() clears the cookie of a stored session, and only that", async () => {
  const { getSession, commitSession, destroySession } =
    reactRouterSessionStorage(makeManager());
  assertEquals(await destroySession(await getSession()), "");
  const session = await getSession();
  session.set("theme", "dark");
  const cookie = receive(null, await commitSession(session));
  const cleared = await destroySession(await getSession(cookie));
  assert(/^latchkey=;.*Max-Age=0/.test(cleared), cleared);
  assertEquals((await getSession(cookie)).data, {});
});

Deno.test("commitSession() and destroySession() refuse a session that getSession() did not open", async () => {
  const ours = reactRouterSessionStorage<Data, FlashData>(makeManager());
  const theirs = await createMemorySessionStorage<Data, FlashData>(SIGNED)
    .getSession();
  const other = await reactRouterSessionStorage<Data, FlashData>(makeManager())
    .getSession();
  for (const session of [theirs, other]) {
    for (const commit of [ours.commitSession, ours.destroySession]) {
      await assertRejects(
        () => commit(session),
        TypeError,
        "Cannot commit the session",
      );
    }
  }
});
