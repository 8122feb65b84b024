/** When a session ends, as its requests are told and as the store has it. */

import { assert, assertEquals } from "@std/assert";
import { HOUR, MINUTE } from "../constants.ts";
import { type Act, type ActingServer, serveActs } from "./acting_server.ts";
import { STORES } from "./session_server.ts";
import { lastAccessOf } from "./set_up.ts";

const IDLE = 10 * MINUTE;
/** A store has its own clock: of a file system, a few ms behind. */
const MOMENT = 2000;
const tells: Act = (session) => session.expiresAt;
const begins: Act = (session) => session.set("n", 1);

/** Lets the last access of the only session be as long ago as that. */
async function age(scene: ActingServer, by: number): Promise<number> {
  const { store } = scene.server;
  const [id] = (await scene.records()).keys();
  const lastAccess = Date.now() - by;
  await store.update(id!, (record) => record, { lastAccess });
  return lastAccess;
}

/** Compares with the last access that the store holds. */
async function assertHeld(
  scene: ActingServer,
  expiresAt: unknown,
  idleTimeout = IDLE,
): Promise<void> {
  const [id] = (await scene.records()).keys();
  const held = await lastAccessOf(scene.server.store, id!) + idleTimeout;
  assert(typeof expiresAt === "number");
  assert(Math.abs(held - expiresAt) < MOMENT);
}

for (const medium of STORES) {
  Deno.test(`expiresAt is the end by what the store holds (${medium})`, async () => {
    await using scene = await serveActs(medium, { idleTimeout: IDLE });
    const cookie = await scene.begin(begins);
    await assertHeld(scene, (await scene.ask(cookie, tells)).result);
    // Not due: the last access stays.
    const access = await age(scene, MINUTE / 2);
    assertEquals((await scene.ask(cookie, tells)).result, access + IDLE);
    // Due: this request's touch is included.
    await age(scene, 5 * MINUTE);
    const { result } = await scene.ask(cookie, tells);
    assert(result as number > Date.now() + IDLE - MOMENT);
    await assertHeld(scene, result);
  });

  Deno.test(`expiresAt is never after the absolute timeout (${medium})`, async () => {
    await using scene = await serveActs(medium, {
      idleTimeout: 2 * HOUR,
      absoluteTimeout: HOUR,
    });
    const cookie = await scene.begin(begins);
    const [record] = (await scene.records()).values();
    const { result } = await scene.ask(cookie, tells);
    assertEquals(result, record!.createdAt + HOUR);
  });

  Deno.test(`expiresAt is null for never, and for a session that is not stored (${medium})`, async () => {
    await using scene = await serveActs(medium);
    assertEquals((await scene.ask(undefined, tells)).result, null);
    const cookie = await scene.begin(begins);
    assertEquals((await scene.ask(cookie, tells)).result, null);
    await using timed = await serveActs(medium, { idleTimeout: IDLE });
    const ended = await timed.ask(await timed.begin(begins), (session) => {
      session.destroy();
      return session.expiresAt;
    });
    assertEquals(ended.result, null);
  });

  Deno.test(`expiresAt follows a commit, and setLifetime() only then (${medium})`, async () => {
    await using scene = await serveActs(medium, { idleTimeout: IDLE });
    const cookie = await scene.begin(begins);
    const access = await age(scene, MINUTE / 2);
    const { result } = await scene.ask(cookie, async (session, manager) => {
      const before = session.expiresAt;
      session.setLifetime({ idleTimeout: HOUR });
      const unsaved = session.expiresAt;
      await manager.commit(session, new Headers());
      const saved = session.expiresAt;
      session.destroy();
      session.discard();
      return [before, unsaved, saved, session.expiresAt];
    });
    const [before, unsaved, saved, discarded] = result as number[];
    assertEquals([before, unsaved], [access + IDLE, access + IDLE]);
    await assertHeld(scene, saved, HOUR);
    assertEquals(discarded, saved);
  });

  Deno.test(`expiresAt counts the access of a form token that was consumed (${medium})`, async () => {
    await using scene = await serveActs(medium, { idleTimeout: IDLE });
    let token = "";
    const cookie = await scene.begin((session) => {
      token = session.createFormToken();
    });
    await age(scene, MINUTE / 2);
    const { result } = await scene.ask(cookie, async (session, manager) => {
      await manager.consumeFormToken(session, token);
      return session.expiresAt;
    });
    assert(result as number > Date.now() + IDLE - MOMENT);
    await assertHeld(scene, result);
  });
}
