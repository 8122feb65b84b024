/** Members of a record that a later version has added, over real sockets. */

import { assertEquals, assertGreater } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import { revocationId } from "../../src/core/revocation.ts";
import { Browser, type Route, serve, STORES } from "./session_server.ts";

const UNKNOWN = { elevatedUntil: 7, badge: { keys: ["one"] } };

const ROUTES: Record<string, Route> = {
  "/sign-in": (session, request) => {
    session.setUser(new URL(request.url).searchParams.get("user"));
    return new Response();
  },
  "/count": (session) =>
    new Response(`${session.update("n", (n = 0) => n + 1)}`),
  "/regenerate": (session) => {
    session.regenerate();
    return new Response();
  },
  "/token": (session) => new Response(session.createFormToken()),
  "/grow": (session) => {
    session.set("text", "x".repeat(450));
    return new Response();
  },
};

for (const medium of STORES) {
  for (const seal of [false, true]) {
    Deno.test(`members that this version does not know stay, and go with the user and the secret (${medium}${seal ? ", sealed" : ""})`, async () => {
      let now = Date.now();
      await using server = await serve(medium, ROUTES, {
        seal,
        rotateEvery: 60_000,
        maxBytes: 500,
        now: () => now,
      });
      const browser = new Browser(server);
      await browser.get("/sign-in?user=ann");
      const id = browser.cookie!.split("=")[1]!.slice(0, 32);
      const add = () =>
        server.store.update(id, (record) => ({ ...record, ...UNKNOWN }));
      const found = async () => {
        const record = (await server.records()).get(id) as
          | SessionRecord & Partial<typeof UNKNOWN>
          | undefined;
        if (record === undefined) return undefined;
        const { elevatedUntil, badge } = record;
        return { elevatedUntil, badge };
      };
      const gone = { elevatedUntil: undefined, badge: undefined };
      await add();
      await browser.get("/count");
      assertEquals(await found(), UNKNOWN, "a change");
      const token = await browser.get("/token");
      assertEquals(await found(), UNKNOWN, "a form token");
      now += 60_000;
      await browser.get("/count");
      assertEquals(await found(), UNKNOWN, "a rotation");
      assertEquals(token.length > 0, true);

      await server.get("/grow", browser.cookie).then((it) => it.body?.cancel());
      assertEquals(server.errors.map(({ name }) => name), [
        "SessionTooLargeError",
      ]);

      await browser.get("/regenerate");
      assertEquals(await found(), gone, "regenerate");
      await add();
      await browser.get("/sign-in?user=ann");
      assertEquals(await found(), gone, "the password asked again");
      await add();
      await browser.get("/sign-in?user=bob");
      assertEquals(await found(), undefined, "another user");
    });
  }
}

for (const medium of STORES) {
  Deno.test(`the next revocation keeps what a later version has added beside data, and nothing in it (${medium})`, async () => {
    await using server = await serve(medium, ROUTES);
    const { store, manager } = server;
    const mark = revocationId("ann");
    await manager.revokeUser("ann");
    const before = await store.update(mark, (record) => ({
      ...record,
      ...UNKNOWN,
      data: { ...record.data, alsoExcept: { id: "0".repeat(32) } },
    }));
    const browser = new Browser(server);
    await browser.get("/sign-in?user=ann");
    assertEquals(await manager.revokeUser("ann"), 1);
    const after = await store.load(mark);
    const { data, createdAt: _createdAt, expiresAt: _, ...others } = after!;
    const unknown: object = others;
    assertEquals(unknown, UNKNOWN);
    assertEquals(Object.keys(data), ["generation", "by", "turn", "at"]);
    assertGreater(data.generation, before!.data.generation);
  });
}
