/** The contract: records of a later version, and what cannot be read. */

import { assertEquals, assertRejects } from "@std/assert";
import {
  SessionFormatError,
  SessionUnreadableError,
} from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { ID, OTHER_ID, recordOf } from "../constants.ts";
import { type Declare, entriesOf, runIf } from "./contract.ts";

/** Declares the tests of formats. */
export function testFormat(declare: Declare): void {
  declare("a record of a later format is left alone", async (harness, t) => {
    const { store, spoil } = harness;
    await runIf(t, spoil, "by what reads and changes it", async (spoil) => {
      await spoil(ID, "newer");
      assertEquals(await store.load(ID), undefined);
      assertEquals(await store.load(ID, { touch: () => true }), undefined);
      assertEquals(await store.has(ID), false);
      assertEquals(await store.touch(ID), false);
      assertEquals(await store.update(ID, (record) => record), undefined);
      assertEquals(await entriesOf(store), {});
    });
    await runIf(t, spoil, "by what writes it", async (spoil) => {
      await spoil(ID, "newer");
      for (const write of ["save", "create"] as const) {
        const error = await assertRejects(
          () => store[write](ID, recordOf()),
          SessionFormatError,
          "update this server",
        );
        assertEquals(error.sessionId, ID);
      }
    });
    await runIf(t, spoil, "by a cleanup", async (spoil) => {
      await spoil(ID, "newer");
      assertEquals((await store.deleteOldSessions(0)).deleted, 0);
    });
    await runIf(t, spoil, "and goes with delete()", async (spoil) => {
      await spoil(ID, "newer");
      assertEquals(await store.delete(ID), true);
      assertEquals(await store.delete(ID), false);
      assertEquals(await store.create(ID, recordOf()), true);
    });
  });

  declare(
    "load() throws at what must be readable and is not",
    async ({ store, spoil }, t) => {
      const load = (id: string) => store.load(id, { mustBeReadable: true });
      await store.save(OTHER_ID, recordOf());
      assertEquals(await load(OTHER_ID), recordOf());
      assertEquals(await load(ID), undefined);
      for (const as of ["garbage", "newer"] as const) {
        await runIf(t, spoil, `at ${as}`, async (spoil) => {
          await spoil(ID, as);
          const error = await assertRejects(
            () => load(ID),
            SessionUnreadableError,
          );
          assertEquals(error.sessionId, ID);
          await assertRejects(() => load(ID), SessionUnreadableError);
        });
      }
    },
  );

  declare("members that a store does not know stay", async ({ store }) => {
    const record = {
      ...recordOf(),
      elevatedUntil: 7,
      later: { text: '\u2028"', list: [null, true] },
    } as SessionRecord;
    await store.save(ID, record);
    assertEquals(await store.load(ID), record);
    await store.update(ID, (record) => ({ ...record, data: { n: 2 } }));
    assertEquals(await store.load(ID), { ...record, data: { n: 2 } });
  });

  declare("a record that says it has another format is refused", async (h) => {
    const record = { ...recordOf(), format: 2 } as SessionRecord;
    await assertRejects(() => h.store.save(ID, record), TypeError, "format");
    assertEquals(await h.store.has(ID), false);
  });

  declare("check() finds a store that works, and leaves nothing", async (h) => {
    await Promise.all([h.store.check(), h.store.check()]);
    assertEquals(await entriesOf(h.store), {});
    assertEquals((await h.store.deleteOldSessions(0)).remaining, 0);
  });

  declare("check() throws what is wrong", async ({ store, breakDown }, t) => {
    await runIf(t, breakDown, "with the medium", async (breakDown) => {
      await store.check();
      {
        using _broken = breakDown(new Error("the medium is gone"));
        await assertRejects(() => store.check(), Error, "the medium is gone");
      }
      await store.check();
    });
  });
}
