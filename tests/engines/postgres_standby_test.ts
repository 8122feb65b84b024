import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SessionStoreError } from "../../src/core/errors.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { HOUR, ID, MINUTE, OTHER_ID, recordOf } from "../constants.ts";
import { connect } from "./open_postgres.ts";
import { PostgresScene } from "./postgres_scene.ts";

const scene = new PostgresScene();

scene.test("a standby answers what it reads, and says that it cannot write", async (driver) => {
  const clock = { now: Date.now() };
  const now = () => clock.now;
  await using watched = await scene.open(driver, { now });
  const { table } = watched;
  const idleTimeout = HOUR;
  const login = await new SessionManager({ store: watched.store, idleTimeout })
    .run(new Request("http://localhost/"), (session) => {
      session.setUser("ann");
      return new Response();
    });
  const cookie = login.headers.getSetCookie()[0]!.split(";")[0]!;
  await watched.store.save(OTHER_ID, recordOf({}, { idleTimeout: MINUTE }));
  await watched.store.save(ID, recordOf({}, { idleTimeout: HOUR }));

  const { server } = scene;
  await server.stop();
  await server.restart(true);
  await using opened = connect({ driver, port: server.port });
  const warnings: StoreWarning[] = [];
  const store = new PostgresSessionStore(opened.client, {
    table,
    now,
    onWarning: (warning) => void warnings.push(warning),
  });
  await store.setup();
  clock.now += MINUTE;
  const touch = () => true;
  assertEquals(
    await store.load(ID, { touch }),
    recordOf({}, { idleTimeout: HOUR }),
  );
  assertEquals(await store.load(OTHER_ID), undefined);
  assertEquals(warnings.map(({ type }) => type), ["unwritten"]);
  assertStringIncludes(warnings[0]!.message, "read-only transaction");

  clock.now += HOUR / 2;
  const sessions = new SessionManager({ store, idleTimeout, now });
  const request = new Request("http://localhost/", { headers: { cookie } });
  const answer = await sessions.run(
    request,
    (session) => new Response(session.user),
  );
  assertEquals(await answer.text(), "ann");

  for (
    const change of [
      () => store.save(ID, recordOf()),
      () => store.update(ID, (record) => record),
      () => store.delete(ID),
    ]
  ) await assertRejects(change, Error, "read-only transaction");
  const error = await assertRejects(() => store.check(), SessionStoreError);
  assertEquals(error.operation, "write");

  await server.stop();
  await server.restart();
  await store.check();
  assertEquals(await store.delete(ID), true);
});
