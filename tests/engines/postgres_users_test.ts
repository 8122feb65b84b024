import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SessionGoneError } from "../../src/core/errors.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { PostgresScene, type WatchedStore } from "./postgres_scene.ts";

type Data = { n?: number };

const scene = new PostgresScene();

/** A manager on a store, and its common calls. */
class Desk {
  readonly manager: SessionManager<Data>;

  constructor({ store }: WatchedStore) {
    this.manager = new SessionManager<Data>({ store });
  }

  open(cookie?: string): Promise<Session<Data>> {
    const headers = new Headers(cookie === undefined ? {} : { cookie });
    return this.manager.open(new Request("http://localhost/", { headers }));
  }

  /** Commits, and returns the cookie that the browser sends afterwards. */
  async commit(session: Session<Data>): Promise<string> {
    const headers = new Headers();
    await this.manager.commit(session, headers);
    return headers.getSetCookie()[0]?.split(";")[0] ?? "";
  }

  async signIn(user: string): Promise<{ id: string; cookie: string }> {
    const session = await this.open();
    session.setUser(user);
    session.set("n", 1);
    return { id: session.id, cookie: await this.commit(session) };
  }

  async idsOf(user: string): Promise<string[]> {
    return (await this.manager.sessionsOf(user)).map(({ id }) => id).sort();
  }
}

scene.test("sessionsOf() and revokeUser() find a user's sessions by the index", async (driver) => {
  await using watched = await scene.open(driver);
  const { client, sql, table } = watched;
  const desk = new Desk(watched);
  const anns = [await desk.signIn("ann"), await desk.signIn("ann")];
  const bob = await desk.signIn("bob");
  await sql(`
    INSERT INTO ${table} (id, version, last_access, tag, json)
    SELECT md5(n::text), n, 0, lpad(to_hex(n), 8, '0'), '{}'
    FROM generate_series(1, 10000) AS n`);
  await sql(`ANALYZE ${table}`);
  const assertIndexed = async (): Promise<void> => {
    const lists = client.take().filter(({ text }) => text.includes("tag = $1"));
    assert(lists.length > 0);
    for (const list of lists) {
      assert(list.count <= 3, `${list.count} rows read`);
      assertMatch(await client.explain(list), new RegExp(`${table}_tag`));
    }
  };
  client.take();
  assertEquals(await desk.idsOf("ann"), anns.map(({ id }) => id).sort());
  await assertIndexed();
  const [mine, other] = anns as [typeof bob, typeof bob];
  assertEquals(await desk.manager.revokeUser("ann", { except: mine.id }), 1);
  await assertIndexed();
  assert((await desk.open(other.cookie)).isNew);
  assertEquals((await desk.open(mine.cookie)).user, "ann");
  assertEquals(await desk.manager.revokeUser("ann"), 1);
  assert((await desk.open(mine.cookie)).isNew);
  assertEquals(await desk.idsOf("ann"), []);
  assertEquals((await desk.open(bob.cookie)).user, "bob");
});

scene.test("a commit after a logout on another server revives nothing", async (driver) => {
  const place = scene.place(driver);
  await using watched = await scene.open(place);
  await using elsewhere = await scene.open(place);
  const [here, there] = [new Desk(watched), new Desk(elsewhere)];
  const ends: ((cookie: string) => Promise<unknown>)[] = [
    async (cookie) => {
      const session = await there.open(cookie);
      session.destroy();
      await there.commit(session);
    },
    () => there.manager.revokeUser("ann"),
  ];
  for (const end of ends) {
    const { id, cookie } = await here.signIn("ann");
    const late = await here.open(cookie);
    late.set("n", 2);
    await end(cookie);
    await assertRejects(() => here.commit(late), SessionGoneError);
    assertEquals(await watched.store.has(id), false);
    assert((await here.open(cookie)).isNew);
  }
});

scene.test("a commit of a request from before a login on another server is refused", async (driver) => {
  const place = scene.place(driver);
  await using watched = await scene.open(place);
  await using elsewhere = await scene.open(place);
  const [here, there] = [new Desk(watched), new Desk(elsewhere)];
  const guest = await here.open();
  guest.set("n", 1);
  const cookie = await here.commit(guest);
  const late = await here.open(cookie);
  late.set("n", 2);
  const login = await there.open(cookie);
  login.setUser("ann");
  const renewed = await there.commit(login);
  await assertRejects(() => here.commit(late), SessionGoneError);
  assertEquals((await here.open(renewed)).get("n"), 1);
});
