/**
 * A revocation that is there and cannot be read, over real sockets: it shuts
 * every session of its user, whatever is wrong with it.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  SessionFormatError,
  SessionUnreadableError,
} from "../../src/core/errors.ts";
import { revocationId } from "../../src/core/revocation.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { EngineSessionStore } from "../../src/engines/engine_store.ts";
import { MemoryEngine } from "../../src/engines/memory.ts";
import type { SessionStore, StoreWarning } from "../../src/core/store.ts";
import { HOUR } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { Browser, type Route, serve } from "./session_server.ts";

const MARK = revocationId("ann");

const ROUTES: Record<string, Route> = {
  "/sign-in": (session, request) => {
    session.setUser(new URL(request.url).searchParams.get("user")!);
    return new Response();
  },
  "/sign-out": (session) => {
    session.destroy();
    return new Response();
  },
  "/": (session) => new Response(session.user ?? "nobody"),
};

/** A store, and what puts something into the place of the revocation. */
interface Medium extends AsyncDisposable {
  readonly store: SessionStore;
  /** What the store has told. */
  readonly warnings: readonly StoreWarning[];
  spoil(as: "garbage" | "newer"): Promise<void>;
}

class MemoryStore extends EngineSessionStore {
  override readonly isMultiprocessSafe = false;
  override readonly isThreadSafe = false;
}

const MEDIA: Record<string, () => Medium> = {
  memory: () => {
    const engine = new MemoryEngine();
    const warnings: StoreWarning[] = [];
    const onWarning = (warning: StoreWarning) => void warnings.push(warning);
    const store = new MemoryStore(engine, { onWarning });
    return {
      store,
      warnings,
      spoil: (as) => {
        const row = {
          json: as === "newer" ? '{"format":2}' : "junk",
          revision: 1,
          lastAccess: Date.now(),
          expiry: null,
          expiresAt: null,
          tag: null,
        };
        engine.replace(MARK, row, engine.read(MARK));
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
  directory: () => {
    const directory = new TemporaryDirectory();
    const { path } = directory;
    const warnings: StoreWarning[] = [];
    const onWarning = (warning: StoreWarning) => void warnings.push(warning);
    const store = new DirectorySessionStore(path, { onWarning });
    return {
      store,
      warnings,
      spoil: (as) => {
        const text = as === "newer" ? `latchkey/2 ${MARK}\n` : "junk";
        return Deno.writeTextFile(`${path}/${MARK}`, text);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(directory[Symbol.dispose]()),
    };
  },
};

for (const [name, make] of Object.entries(MEDIA)) {
  for (const as of ["garbage", "newer"] as const) {
    Deno.test(`a revocation that is ${as} shuts every session of its user (${name})`, async () => {
      await using medium = make();
      const { store } = medium;
      await using server = await serve("memory", ROUTES, {
        store,
        idleTimeout: HOUR,
      });
      const [ann, annToo, bob] = [1, 2, 3].map(() => new Browser(server));
      await ann!.get("/sign-in?user=ann");
      await annToo!.get("/sign-in?user=ann");
      await bob!.get("/sign-in?user=bob");
      assertEquals(await ann!.get("/"), "ann");
      await medium.spoil(as);

      for (let again = 0; again < 2; again++) {
        assertEquals(await ann!.get("/"), "nobody");
        assertEquals(await bob!.get("/"), "bob");
      }
      const told = medium.warnings.map(({ sessionId }) => sessionId);
      assertEquals(told, [MARK], "told once");
      assertEquals(await server.manager.sessionsOf("ann"), []);
      // A login would have to be bound to a generation that cannot be told.
      const refused = await server.get("/sign-in?user=ann");
      await refused.body?.cancel();
      assertEquals([refused.status, refused.headers.getSetCookie()], [500, []]);
      assert(server.errors.at(-1) instanceof SessionUnreadableError);
      const session = await server.manager.open(new Request("http://x/"));
      await assertRejects(
        () => server.manager.beginLogin(session, "ann"),
        SessionUnreadableError,
      );
      // Others sign in and out as ever.
      await new Browser(server).get("/sign-in?user=bob");

      await store.deleteOldSessions(0);
      assertEquals(await ann!.get("/"), "nobody", "after a cleanup");

      if (as === "garbage") {
        assertEquals(await server.manager.revokeUser("ann"), 2);
      } else {
        await assertRejects(
          () => server.manager.revokeUser("ann"),
          SessionFormatError,
        );
      }
      const left = [...await server.records()].filter(([, { user }]) =>
        user === "ann"
      );
      assertEquals(left, [], "what was found is deleted");
      assertEquals(await annToo!.get("/"), "nobody");
      if (as === "garbage") {
        await ann!.get("/sign-in?user=ann");
        assertEquals(await ann!.get("/"), "ann");
      }
    });
  }
}

Deno.test("a logout succeeds where the user's revocation cannot be read", async () => {
  await using medium = MEDIA.directory!();
  const { store } = medium;
  const isOpen = Promise.withResolvers<void>();
  const isSpoiled = Promise.withResolvers<void>();
  await using server = await serve("memory", {
    ...ROUTES,
    "/sign-out": async (session) => {
      session.destroy();
      isOpen.resolve();
      await isSpoiled.promise;
      return new Response();
    },
  }, { store });
  const browser = new Browser(server);
  await browser.get("/sign-in?user=ann");
  const left = browser.get("/sign-out");
  await isOpen.promise;
  await medium.spoil("garbage");
  isSpoiled.resolve();
  assertEquals(await left, "");
  assertEquals(server.errors, []);
  const sessions = [...await server.records()].filter(([, { user }]) => user);
  assertEquals(sessions, []);
});

Deno.test("revokeUser() gives up where a store neither finds nor creates the revocation", async () => {
  await using medium = MEDIA.memory!();
  const { store } = medium;
  await using server = await serve("memory", ROUTES, { store });
  store.create = () => Promise.resolve(false);
  store.update = () => Promise.resolve(undefined);
  await assertRejects(
    () => server.manager.revokeUser("ann"),
    Error,
    "the store neither finds nor creates user-",
  );
});
