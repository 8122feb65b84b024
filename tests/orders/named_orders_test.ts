/*
 * The orders of events that caused bugs in the ancestors, by name.
 *
 * The discussion of mod_python's FileSession wrote a request as Load, Process,
 * Save and its cleaner as Check, Delete, and listed the ten ways to interleave
 * them. Here both run on a session that was not accessed for half an hour, with
 * a grace period of 0: in every order, no session that was saved is deleted, and
 * no session that was deleted is restored.
 */
import { assert, assertEquals } from "@std/assert";
import { SessionGoneError } from "../../src/core/errors.ts";
import { ID } from "../constants.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { Cast } from "./cast.ts";
import { added } from "./scenes.ts";
import { MINUTES, ownRecord } from "./world.ts";
import { type Actor, Stage } from "./stage.ts";

/** The list in the session afterwards, and what the request was answered. */
interface End {
  readonly list: unknown;
  readonly answer: unknown;
}

/** Performs one order: C and D are the cleaner's, L, P and S the request's. */
async function perform(
  order: string,
  request: (cast: Cast, mark: (text: string) => void) => Promise<unknown>,
): Promise<End> {
  using directory = new TemporaryDirectory();
  using stage = new Stage(directory.path);
  const cast = new Cast(stage, "unused");
  await cast.set(["A", "B"]);
  const visitor = await stage.enter(
    "A",
    () => request(cast, (text) => stage.mark(text)),
  );
  const cleaner = await stage.enter(
    "B",
    () => cast.store("B").deleteOldSessions(MINUTES),
  );
  // The check reads the file; a session that looks old is then opened again.
  let opened = 0;
  const isChecked = (pending: string) =>
    pending === `open ${ID}` && ++opened === 2;
  const steps: Record<string, () => Promise<void>> = {
    L: () => stage.advanceTo(visitor, (pending) => pending === "mark P"),
    P: () => stage.advanceTo(visitor, (pending) => pending === "mark S"),
    S: () => toEnd(stage, visitor),
    C: () => stage.advanceTo(cleaner, isChecked),
    D: () => toEnd(stage, cleaner),
  };
  for (const step of order) await steps[step]!();
  assert(visitor.outcome !== undefined && "value" in visitor.outcome);
  return { list: cast.list(), answer: visitor.outcome.value };
}

async function toEnd(stage: Stage, actor: Actor): Promise<void> {
  if (actor.outcome === undefined) await stage.advanceTo(actor, () => false);
}

/** A request as the manager runs it: its load is an access, and marks one. */
async function managedRequest(
  cast: Cast,
  mark: (text: string) => void,
): Promise<unknown> {
  const manager = cast.manager("A");
  const session = await manager.open(cast.request());
  mark("P");
  const isNew = session.isNew;
  if (!isNew) session.update("list", (list = []) => [...list, "saved"]);
  mark("S");
  await manager.commit(session, new Headers());
  return isNew ? "a new session" : "saved";
}

/** A request that only reads at first, and does not count as an access. */
async function quietRequest(
  cast: Cast,
  mark: (text: string) => void,
): Promise<unknown> {
  const store = cast.store("A");
  const record = await store.load(ID);
  mark("P");
  mark("S");
  if (record === undefined) return "no session";
  const kept = await store.update(ID, (record) => added(record, "saved"));
  return kept === undefined ? "refused" : "saved";
}

const TEN = [
  "CDLPS",
  "CLDPS",
  "CLPDS",
  "CLPSD",
  "LCDPS",
  "LCPDS",
  "LCPSD",
  "LPCDS",
  "LPCSD",
  "LPSCD",
] as const;

const SAVED = { list: ["first", "saved"], answer: "saved" };

const MANAGED: Record<typeof TEN[number], End> = {
  // Deleted before the request loads it: the request begins a new session.
  CDLPS: { list: undefined, answer: "a new session" },
  // The load is an access, and the cleaner looks again before it deletes.
  CLDPS: SAVED,
  CLPDS: SAVED,
  CLPSD: SAVED,
  LCDPS: SAVED,
  LCPDS: SAVED,
  LCPSD: SAVED,
  LPCDS: SAVED,
  LPCSD: SAVED,
  LPSCD: SAVED,
};

const REFUSED = { list: undefined, answer: "refused" };

const QUIET: Record<typeof TEN[number], End> = {
  CDLPS: { list: undefined, answer: "no session" },
  // Deleted while the request was under way, as it was not accessed: the
  // save is refused, where mod_python's brought the session back.
  CLDPS: REFUSED,
  CLPDS: REFUSED,
  LCDPS: REFUSED,
  LCPDS: REFUSED,
  LPCDS: REFUSED,
  // Saved before the cleaner deletes: it looks again, and keeps the session.
  CLPSD: SAVED,
  LCPSD: SAVED,
  LPCSD: SAVED,
  LPSCD: SAVED,
};

for (const order of TEN) {
  Deno.test(`mod_python's order ${order}: ${MANAGED[order].answer}`, async () => {
    assertEquals(await perform(order, managedRequest), MANAGED[order]);
  });

  Deno.test(`mod_python's order ${order}, of a load that marks no access: ${QUIET[order].answer}`, async () => {
    assertEquals(await perform(order, quietRequest), QUIET[order]);
  });
}

/** Two actors; the first is stopped before a call, the second runs, the first goes on. */
async function interrupt(
  opening: "live" | "missing",
  first: (cast: Cast) => Promise<unknown>,
  before: string,
  second: (cast: Cast) => Promise<unknown>,
): Promise<{ first: unknown; second: unknown; list: unknown }> {
  using directory = new TemporaryDirectory();
  using stage = new Stage(directory.path);
  const cast = new Cast(stage, opening);
  await cast.set(["A", "B"]);
  const one = await stage.enter("A", () => first(cast));
  const other = await stage.enter("B", () => second(cast));
  await stage.advanceTo(one, (pending) => pending.startsWith(before));
  await toEnd(stage, other);
  await toEnd(stage, one);
  return {
    first: (one.outcome as { value: unknown }).value,
    second: (other.outcome as { value: unknown }).value,
    list: cast.list(),
  };
}

const save = (actor: "A" | "B") => (cast: Cast) =>
  cast.store(actor).save(ID, ownRecord(actor, cast.opening));
const create = (actor: "A" | "B") => (cast: Cast) =>
  cast.store(actor).create(ID, ownRecord(actor, cast.opening));
const load = (actor: "A" | "B") => async (cast: Cast) =>
  (await cast.store(actor).load(ID))?.data.list;

Deno.test("session3's order: a read between a writer's open and its lock gets the old record, whole", async () => {
  assertEquals(await interrupt("live", save("A"), "tryLock", load("B")), {
    first: undefined,
    second: ["first"],
    list: ["A"],
  });
});

Deno.test("session3's order reversed: a write between a reader's open and its lock does not make the reader wait", async () => {
  // The open file has become a recycled one, and is locked: the reader opens the name again.
  assertEquals(await interrupt("live", load("A"), "tryLock", save("B")), {
    first: ["B"],
    second: undefined,
    list: ["B"],
  });
});

Deno.test("Django's order: of two creates, the one between the other's write and link wins", async () => {
  assertEquals(await interrupt("missing", create("A"), "link", create("B")), {
    first: false,
    second: true,
    list: ["B"],
  });
});

Deno.test("Django's order: a save between another's look and its link is replaced, not lost to a rename", async () => {
  assertEquals(await interrupt("missing", save("A"), "link", save("B")), {
    first: undefined,
    second: undefined,
    list: ["A"],
  });
});

Deno.test("Django's order: a save after a delete that began before it does not bring back what was deleted", async () => {
  const update = async (cast: Cast) =>
    await cast.store("A").update(ID, (record) => added(record, "A"));
  const remove = (cast: Cast) => cast.store("B").delete(ID);
  assertEquals(await interrupt("live", update, "tryLock", remove), {
    first: undefined,
    second: true,
    list: undefined,
  });
});

Deno.test("a commit after a delete by another request throws SessionGoneError", async () => {
  const commit = async (cast: Cast) => {
    const manager = cast.manager("A");
    const session = await manager.open(cast.request());
    session.set("list", ["too late"]);
    cast.stage.mark("commit");
    try {
      await manager.commit(session, new Headers());
    } catch (error) {
      return error instanceof SessionGoneError;
    }
  };
  const remove = (cast: Cast) => cast.store("B").delete(ID);
  assertEquals(await interrupt("live", commit, "mark", remove), {
    first: true,
    second: true,
    list: undefined,
  });
});
