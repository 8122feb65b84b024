/** The contract: the sessions of one user, and last accesses in a listing. */

import { assert, assertEquals } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { userTag } from "../../src/core/codec.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { type Declare, lastAccessOf } from "./contract.ts";

/** Any text is a user. */
const USERS: readonly string[] = [
  "ann",
  "Ann",
  "ann ",
  "",
  "--------",
  "../../etc/passwd",
  'quote " and \\ and \n',
  "\0",
  "é",
  "e\u0301",
  "🍪",
  "\ud83c",
  "\ufffd",
  "__proto__",
  "x".repeat(10_000),
];

async function idsOf(store: SessionStore, user: string): Promise<string[]> {
  const entries = await Array.fromAsync(store.entries({ user }));
  for (const [, record] of entries) assertEquals(record.user, user);
  return entries.map(([id]) => id).sort();
}

/** Declares the tests of what `entries` gives beside the records. */
export function testUsers(declare: Declare): void {
  declare(
    "entries() gives the last access of each session",
    async (harness) => {
      const { store, age } = harness;
      await store.save(ID, recordOf({}, { user: "ann" }));
      await store.save(OTHER_ID, recordOf({}, { idleTimeout: 9 * HOUR }));
      await age(ID, HOUR);
      await age(OTHER_ID, 2 * HOUR);
      for (const options of [{}, { user: "ann" }]) {
        let count = 0;
        for await (const [id, , lastAccess] of store.entries(options)) {
          assertEquals(lastAccess, await lastAccessOf(store, id));
          count++;
        }
        assertEquals(count, "user" in options ? 1 : 2);
      }
    },
  );

  declare("entries() of a user gives that user's sessions only", async (h) => {
    const { store, age } = h;
    assertEquals(await idsOf(store, "ann"), []);
    const kept: Record<string, SessionRecord> = {};
    for (let n = 0; n < 30; n++) {
      const user = ["ann", "bob", undefined][n % 3];
      const id = `session-number-${n}`;
      kept[id] = recordOf({ n }, user === undefined ? {} : { user });
      await store.save(id, kept[id]);
    }
    const over = { user: "ann", expiresAt: Date.now() - 1 };
    await store.save(ID, recordOf({}, over));
    await store.save(OTHER_ID, recordOf({}, { user: "ann", idleTimeout: 1 }));
    await age(OTHER_ID, HOUR);
    for (const user of ["ann", "bob"]) {
      const found = await Array.fromAsync(store.entries({ user }));
      assertEquals(found.length, 10);
      for (const [id, record] of found) assertEquals(record, kept[id]);
    }
    assertEquals(await idsOf(store, "carl"), []);
    const all = await Array.fromAsync(store.entries({ user: undefined }));
    assertEquals(all.length, 30);
  });

  declare("entries() of a user takes any text as a user", async ({ store }) => {
    const ids = new Map<string, string>();
    for (const [n, user] of USERS.entries()) {
      ids.set(user, `session-number-${n}`);
      await store.save(`session-number-${n}`, recordOf({ n }, { user }));
    }
    await store.save(ID, recordOf());
    for (const [user, id] of ids) assertEquals(await idsOf(store, user), [id]);
  });

  declare("entries() of a user follows logins and logouts", async (h) => {
    const { store } = h;
    await store.save(ID, recordOf());
    await store.save(OTHER_ID, recordOf({}, { user: "bob" }));
    for (const user of ["ann", "bob", "ann"]) {
      await store.update(ID, (record) => ({ ...record, user }));
      assert((await idsOf(store, user)).includes(ID));
    }
    assertEquals(await idsOf(store, "bob"), [OTHER_ID]);
    await store.update(ID, ({ user: _user, ...rest }) => rest);
    assertEquals(await idsOf(store, "ann"), []);
    await store.update(ID, (record) => ({ ...record, user: "ann" }));
    assertEquals(await idsOf(store, "ann"), [ID]);
    await store.delete(ID);
    assertEquals(await idsOf(store, "ann"), []);
  });

  declare("entries() tells users with one tag apart", async ({ store }) => {
    // They have the same CRC-32.
    const [one, other] = ["plumless", "buckeroo"];
    assertEquals(userTag(one), userTag(other));
    await store.save(ID, recordOf({}, { user: one }));
    await store.save(OTHER_ID, recordOf({}, { user: other }));
    assertEquals(await idsOf(store, one), [ID]);
    assertEquals(await idsOf(store, other), [OTHER_ID]);
  });

  declare("entries() of a user tolerates deletion meanwhile", async (h) => {
    const { store } = h;
    const ids = Array.from({ length: 20 }, (_, n) => `session-number-${n}`);
    for (const id of ids) await store.save(id, recordOf({}, { user: "ann" }));
    const deleted = new Set<string>();
    for await (const [id] of store.entries({ user: "ann" })) {
      assertEquals(await store.delete(id), true);
      deleted.add(id);
    }
    assertEquals(deleted.size, 20);
    assertEquals(await idsOf(store, "ann"), []);
  });
}
