/** What is told of operations, and that telling it changes nothing. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { SessionGoneError } from "../../src/core/errors.ts";
import { MemorySessionStore } from "../../src/engines/memory.ts";
import { resolveManagerOptions } from "../../src/manager/manager_options.ts";
import type { SessionCounters } from "../../src/manager/isolation.ts";
import type {
  ObservationOptions,
  SessionOperation,
} from "../../src/manager/operations.ts";
import { ReplacedConsole } from "./replaced_console.ts";
import { BEGIN, requestWith, type SetUp, setUp } from "./set_up.ts";

const MINUTE = 60_000;
const FAILURE = new Error("the medium is away: secret-in-a-message");

/** A manager, and what it tells. */
function observed(options: Parameters<typeof setUp>[0] = {}): SetUp & {
  take(): string[];
  readonly told: SessionOperation[];
} {
  const told: SessionOperation[] = [];
  const onOperation = (operation: SessionOperation) =>
    void told.push(operation);
  const take = () =>
    told.splice(0).map(({ name, outcome }) => `${name}: ${outcome}`);
  return { ...setUp({ onOperation, ...options }), told, take };
}

Deno.test("onOperation is told of a request what its store did, then what that came to", async () => {
  const { manager, take, begin } = observed({ idleTimeout: 10 * MINUTE });
  const { cookie } = await begin();
  assertEquals(take(), [
    "open: none",
    "store create: created",
    "commit: committed",
  ]);

  const visit = (act: (n: number) => number | undefined) =>
    manager.run(requestWith(cookie), (session) => {
      const n = act(session.get("n")!);
      if (n !== undefined) session.set("n", n);
      return new Response();
    });
  await visit((n) => n + 1);
  assertEquals(take(), [
    "store load: hit",
    "open: hit",
    "store update: updated",
    "commit: committed",
  ]);

  await visit(() => undefined);
  assertEquals(take(), ["store load: hit", "open: hit"]);
});

Deno.test("onOperation is told why a session was not opened, and counters count it", async () => {
  const scene = observed({ idleTimeout: 10 * MINUTE });
  const { manager, clock, store, begin, open, take } = scene;
  const { id, cookie } = await begin();
  const { cookie: other } = await begin();
  const note = async (
    header: string,
    outcome: string,
    counter: keyof SessionCounters,
  ) => {
    const before = manager.counters[counter];
    await open(header);
    assertEquals(take().at(-1), `open: ${outcome}`);
    assertEquals(manager.counters[counter], before + 1);
  };
  take();
  await note(cookie, "hit", "hits");
  await note(
    cookie.slice(0, -22) + "A".repeat(22),
    "wrong_secret",
    "wrongSecrets",
  );
  await note(`${cookie}; ${other}`, "ambiguous", "ambiguous");
  await store.save(id, { ...(await store.load(id))!, sealed: "AAAA" });
  await note(cookie, "unopenable", "unopenable");
  clock.now += 10 * MINUTE;
  await note(other, "expired", "expired");
  clock.now += 10 * MINUTE;
  await store.deleteOldSessions(0);
  await note(other, "miss", "misses");
  assertEquals(manager.counters.failures, 0);
});

Deno.test("onOperation and counters tell of a secret used again, and of a revoked session", async () => {
  const scene = observed({ rotateEvery: MINUTE, rotateGrace: 1 });
  const { manager, clock, store, begin, look, commit, open, take } = scene;
  const { id, cookie } = await begin();
  clock.now += MINUTE;
  const next = (await commit(await look(cookie))).split(";")[0]!;
  await commit(await look(next));
  clock.now += MINUTE;
  await open(cookie);
  assertEquals(take().at(-1), "open: reused");
  assertEquals(manager.counters.reused, 1);

  const session = await look(next);
  session.setUser("ann");
  const signedIn = (await commit(session)).split(";")[0]!;
  const record = (await store.load(id))!;
  await manager.revokeUser("ann");
  assertEquals(take().slice(-2), [
    "store update: deleted",
    "store entries: listed",
  ]);
  // As if the listing had missed it.
  await store.save(id, record);
  await open(signedIn);
  assertEquals(take().slice(-2), ["store update: deleted", "open: revoked"]);
  assertEquals(manager.counters.revoked, 1);
});

Deno.test("onOperation and counters tell of data that cannot be used", async () => {
  const { begin, restart } = setUp();
  const { cookie } = await begin();
  const told: string[] = [];
  const manager = restart({
    version: 2,
    migrate: () => {
      throw FAILURE;
    },
    onOperation: ({ outcome }) => void told.push(outcome),
  });
  await manager.open(requestWith(cookie));
  assertEquals(told, ["hit", "invalid"]);
  assertEquals(manager.counters.invalid, 1);
});

Deno.test("onOperation and counters tell of touches", async () => {
  const scene = observed({ touchAfter: MINUTE });
  const { manager, clock, begin, open, take } = scene;
  const { cookie } = await begin();
  take();
  clock.now = BEGIN + MINUTE;
  const session = await open(cookie);
  assertEquals(take(), ["store load: touched", "open: hit"]);
  assertEquals(manager.counters.touches, 1);
  clock.now += MINUTE;
  assert(await manager.keepAlive(session));
  assertEquals(take(), ["store load: touched"]);
  assertEquals(manager.counters.touches, 2);
});

Deno.test("onOperation is told how a commit ended", async () => {
  const scene = observed({ isolation: "strict" });
  const { manager, begin, open, commit, take } = scene;
  const { id, cookie } = await begin();
  const change = async (isolation: "merge" | "strict") => {
    const session = await manager.open(requestWith(cookie), { isolation });
    session.set("n", 2);
    return session;
  };
  const [merging, strict] = [await change("merge"), await change("strict")];
  await commit(await change("merge"));
  take();
  await commit(merging);
  assertEquals(take(), ["store update: updated", "commit: merged"]);
  await assertRejects(() => commit(strict));
  assertEquals(take(), ["store update: conflict", "commit: conflict"]);
  const late = await open(cookie);
  late.set("n", 3);
  await manager.expire(id);
  take();
  const error = await assertRejects(() => commit(late), SessionGoneError);
  const [, last] = scene.told;
  assertEquals(last!.error, error);
  assertEquals(take(), ["store update: miss", "commit: refused"]);
});

Deno.test("onOperation is told of an exclusive request that waits, without an error", async () => {
  const scene = observed();
  const { manager, begin, take } = scene;
  const { cookie } = await begin();
  const isolation = "exclusive";
  const holder = await manager.open(requestWith(cookie), { isolation });
  take();
  const waiting = manager.open(requestWith(cookie), { isolation });
  while (manager.counters.lockWaits === 0) await Promise.resolve();
  await manager.close(holder);
  await manager.close(await waiting);
  assertEquals(scene.told.some((told) => "error" in told), false);
  assertEquals(take(), [
    "store load: hit",
    "store lock: busy",
    "store lock: locked",
    "store load: hit",
    "open: hit",
  ]);
});

Deno.test("onOperation is told what the store threw, and counters count it", async () => {
  const scene = observed();
  const { manager, store, begin, open, commit, take } = scene;
  const { cookie } = await begin();
  const session = await open(cookie);
  session.set("n", 2);
  take();
  store.failure = FAILURE;
  await assertRejects(() => open(cookie));
  await assertRejects(() => commit(session));
  assertEquals(scene.told.map(({ error }) => error), Array(4).fill(FAILURE));
  assertEquals(take(), [
    "store load: error",
    "open: error",
    "store update: error",
    "commit: error",
  ]);
  assertEquals(manager.counters.failures, 2);
});

for (
  const [does, onOperation] of [
    ["throws", () => {
      throw FAILURE;
    }],
    ["rejects", () => Promise.reject(FAILURE)],
  ] as const
) {
  Deno.test(`an onOperation that ${does} changes nothing, and console.error is told`, async () => {
    using errors = new ReplacedConsole("error");
    const scene = setUp({ onOperation });
    const { cookie } = await scene.begin({ n: 41 });
    const session = await scene.open(cookie);
    session.update("n", (n = 0) => n + 1);
    await scene.commit(session);
    assertEquals((await scene.open(cookie)).get("n"), 42);
    assert(errors.calls.every(([, error]) => error === FAILURE));
    assert(errors.calls.length > 0);
  });
}

Deno.test("a tracer or meter that throws at the end of an operation changes nothing", async () => {
  using errors = new ReplacedConsole("error");
  const fail = (): never => {
    throw FAILURE;
  };
  const scene = setUp({
    tracer: {
      startActiveSpan: (_name, act) =>
        act({ setAttributes: fail, setStatus: fail, end: fail }),
    },
    meter: { createHistogram: () => ({ record: fail }) },
  });
  const { cookie } = await scene.begin({ n: 1 });
  assertEquals((await scene.open(cookie)).get("n"), 1);
  assert(errors.calls.every(([, error]) => error === FAILURE));
});

for (
  const [when, startActiveSpan] of [
    ["before", () => {
      throw FAILURE;
    }],
    ["after", (_name, act) => {
      act({ setAttributes() {}, setStatus() {}, end() {} });
      throw FAILURE;
    }],
  ] as const satisfies readonly (readonly [
    string,
    NonNullable<ObservationOptions["tracer"]>["startActiveSpan"],
  ])[]
) {
  Deno.test(`a tracer that throws ${when} it begins an operation changes nothing: it is done once`, async () => {
    using errors = new ReplacedConsole("error");
    const scene = observed({ tracer: { startActiveSpan } });
    const { cookie } = await scene.begin({ n: 1 });
    const session = await scene.open(cookie);
    session.update("n", (n = 0) => n + 1);
    await scene.commit(session);
    assertEquals((await scene.open(cookie)).get("n"), 2);
    assertEquals(
      scene.take().filter((line) => line.startsWith("store update")),
      ["store update: updated"],
    );
    assert(errors.calls.every(([, error]) => error === FAILURE));
    assert(errors.calls.length > 0);
  });
}

Deno.test("spans and metrics hold no ID, secret, user or data, nor what a driver says", async () => {
  const seen: string[] = [];
  const see = (...values: unknown[]) => void seen.push(JSON.stringify(values));
  const observation: ObservationOptions = {
    tracer: {
      startActiveSpan: (name, act) => {
        see(name);
        return act({ setAttributes: see, setStatus: see, end: () => {} });
      },
    },
    meter: {
      createHistogram: (name, options) => {
        see(name, options);
        return { record: see };
      },
    },
  };
  const scene = setUp(observation);
  const { manager, store } = scene;
  const begin = await manager.run(requestWith(null), (session) => {
    session.setUser("ann");
    session.set("data", "of the visitor");
    return new Response();
  });
  const cookie = begin.headers.getSetCookie()[0]!.split(";")[0]!;
  const session = await scene.open(cookie);
  await manager.sessionsOf("ann");
  await manager.revokeUser("ann");
  store.failure = FAILURE;
  await assertRejects(() => scene.open(cookie));
  const all = seen.join("\n");
  const value = cookie.slice(cookie.indexOf("=") + 1);
  for (
    const private_ of [session.id, value.slice(-22), "ann", "visitor", "away"]
  ) {
    assertEquals(all.includes(private_), false, private_);
  }
  assert(all.includes(`"error.type":"Error"`));
});

Deno.test("where nothing listens, the store is called without a detour", () => {
  const store = new MemorySessionStore();
  assertEquals(resolveManagerOptions({ store }).store === store, true);
});
