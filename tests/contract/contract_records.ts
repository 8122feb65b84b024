/** The contract: the values of a record, and that no object is shared. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { JsonObject, SessionRecord } from "../../src/core/record.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { HOUR, ID, OTHER_ID, recordOf } from "../constants.ts";
import { type Declare, entriesOf, lastAccessOf } from "./contract.ts";

/** Data of every type that JSON has, and unusual ones. */
export const DATA: Readonly<Record<string, JsonObject>> = {
  "nothing": {},
  "every kind": {
    null: null,
    yes: true,
    no: false,
    number: 1.5,
    string: "text",
    array: [1, [2, [3]], { four: 4 }],
    object: { nested: { deeper: {} } },
    emptyArray: [],
    emptyString: "",
  },
  "the extremes of numbers": {
    numbers: [
      0,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
      Number.MIN_VALUE,
      Number.EPSILON,
      2 ** 53 + 2,
      0.1 + 0.2,
      1e21,
      1e-7,
    ],
  },
  "odd keys": {
    "": 1,
    " ": 2,
    "0": 3,
    "10": 4,
    "9": 5,
    "a.b": 6,
    "$set": 7,
    "a:b": 8,
    "'": 9,
    "\x7f": 10,
    "\u2028": 11,
    "🍪": 12,
    data: { data: { createdAt: 1 } },
    createdAt: "not that one",
    expiresAt: 0,
    secretHash: "not that one",
    toString: "text",
    length: 0,
  },
  "keys of prototypes": JSON.parse(
    `{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"prototype":1,"toJSON":"text","hasOwnProperty":null,"then":"text"}`,
  ),
  "lone surrogates": {
    alone: "\udfff",
    reversed: "\udc00\ud800",
    atTheEnd: "text\ud83c",
  },
  "Unicode": {
    bom: "\ufeffat the start",
    replacement: "\ufffd",
    emoji: "👩‍👩‍👧‍👦🏳️‍🌈",
    composed: "\u00e9",
    decomposed: "e\u0301",
    separators: "\u2028\u2029\u0085",
    rightToLeft: "\u202eשלום",
    last: "\u{10ffff}\uffff",
    controls: "\x00\x01\x1f\x7f\x80",
    ideographs: "漢字かな",
  },
  "HTML and SQL": {
    html: "</script><!--<b>&amp;",
    sql: "'; DROP TABLE sessions; --",
    path: "../../etc/passwd",
    percent: "%00%s${x}",
  },
};

/** Records that no store can keep, whatever the type checker says. */
export function listUnkeepable(): Record<string, unknown> {
  const cycle: Record<string, unknown> = {};
  cycle["itself"] = cycle;
  const { data, createdAt } = recordOf();
  return {
    "no record": undefined,
    "null": null,
    "a string": "{}",
    "no data": { createdAt },
    "data null": { createdAt, data: null },
    "data an array": { createdAt, data: [] },
    "data a string": { createdAt, data: "text" },
    "data a number": { createdAt, data: 1 },
    "data a function": { createdAt, data: () => {} },
    "data a Date": { createdAt, data: new Date(0) },
    "data with a toJSON method": { createdAt, data: { toJSON: () => 1 } },
    "a bigint": { createdAt, data: { n: 1n } },
    "a cycle": { createdAt, data: cycle },
    "no createdAt": { data },
    "createdAt NaN": { data, createdAt: NaN },
    "createdAt infinite": { data, createdAt: Infinity },
    "createdAt negative": { data, createdAt: -1 },
    "createdAt fractional": { data, createdAt: 0.5 },
    "createdAt beyond safe integers": { data, createdAt: 2 ** 53 },
    "createdAt a string": { data, createdAt: "1" },
    "createdAt a Date": { data, createdAt: new Date(0) },
    "expiresAt NaN": { data, createdAt, expiresAt: NaN },
    "expiresAt negative": { data, createdAt, expiresAt: -1 },
    "expiresAt fractional": { data, createdAt, expiresAt: 1.5 },
    "expiresAt null": { data, createdAt, expiresAt: null },
    "expiresAt infinite": { data, createdAt, expiresAt: Infinity },
    "idleTimeout NaN": { data, createdAt, idleTimeout: NaN },
    "idleTimeout negative": { data, createdAt, idleTimeout: -1 },
    "idleTimeout fractional": { data, createdAt, idleTimeout: 0.1 },
    "idleTimeout a string": { data, createdAt, idleTimeout: "60" },
    "typed a text": { data, createdAt, typed: "a" },
    "typed a list of numbers": { data, createdAt, typed: [1] },
    "typedFlash null": { data, createdAt, typedFlash: null },
    "flashLeft null": { data, createdAt, flashLeft: null },
    "keyExpiry a list": { data, createdAt, keyExpiry: [1] },
    "keyExpiry of no times": { data, createdAt, keyExpiry: { a: "1" } },
    "keyExpiry with an escaped key": {
      data,
      createdAt,
      keyExpiry: { "a\n": 1 },
    },
    "dataVersion fractional": { data, createdAt, dataVersion: 0.5 },
    "commits negative": { data, createdAt, commits: -1 },
    "commits fractional": { data, createdAt, commits: 0.5 },
    "renewals negative": { data, createdAt, renewals: -1 },
  };
}

async function assertKept(
  store: SessionStore,
  record: SessionRecord,
): Promise<void> {
  await store.save(ID, record);
  assertEquals(await store.load(ID), record);
  await store.delete(OTHER_ID);
  await store.create(OTHER_ID, record);
  assertEquals(await store.load(OTHER_ID), record);
  const kept = await store.update(ID, (same) => same);
  assertEquals(kept, record);
  // Equal as text too: assertEquals ignores some differences.
  const text = JSON.stringify(record.data);
  assertEquals(JSON.stringify((await store.load(ID))!.data), text);
  assertEquals(await entriesOf(store), { [ID]: record, [OTHER_ID]: record });
}

type Kept = Omit<SessionRecord, "isMoving">;

/** Declares the tests of the values of records. */
export function testRecords(declare: Declare, longestString: number): void {
  for (const [what, data] of Object.entries(DATA)) {
    declare(`keeps data: ${what}`, async ({ store }) => {
      await assertKept(store, recordOf(data));
    });
  }

  declare("pollutes no prototype", async ({ store }) => {
    await store.save(ID, recordOf(DATA["keys of prototypes"]));
    const data = (await store.load(ID))!.data;
    assert(Object.hasOwn(data, "__proto__"));
    assertEquals(Object.getPrototypeOf(data), Object.prototype);
    assertEquals("polluted" in {}, false);
  });

  declare("keeps a long string", async ({ store }) => {
    const text = "0123456789abcde\n".repeat(longestString / 16);
    await store.save(ID, recordOf({ text }));
    assertEquals((await store.load(ID))!.data.text === text, true);
    await store.save(ID, recordOf());
    assertEquals(await store.load(ID), recordOf());
  });

  declare("keeps data 1,000 levels deep", async ({ store }) => {
    let data: JsonObject = {};
    for (let depth = 0; depth < 500; depth++) data = { a: [data] };
    await store.save(ID, recordOf(data));
    const kept = await store.load(ID);
    assertEquals(JSON.stringify(kept!.data), JSON.stringify(data));
  });

  declare("keeps minus zero as zero", async ({ store }) => {
    await store.save(ID, recordOf({ n: -0 }));
    assert(Object.is((await store.load(ID))!.data.n, 0));
  });

  declare("keeps every part of a record", async ({ store }) => {
    // A store of sessions that move takes `isMoving` away.
    const parts: Required<Kept> = {
      data: { a: 1 },
      createdAt: 1_763_629_200_000,
      expiresAt: Date.now() + HOUR,
      idleTimeout: HOUR,
      absoluteTimeout: 24 * HOUR,
      secretHash: "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
      rotatedAt: 1_763_629_200_001,
      previous: { hash: "hash", until: 1_763_629_200_002, sealed: "text" },
      sealed: "text",
      user: "ann \ud800 🍪",
      signedInAt: 1_763_629_200_006,
      userGeneration: 1_763_629_200_003,
      login: { user: "bob", generation: 1_763_629_200_007 },
      label: "Firefox \ud800 🍪",
      untilBrowserCloses: true,
      deviceOffer: { hash: "hash", until: 1_763_629_200_008 },
      device: {
        key: { alg: "ES256", kty: "EC", crv: "P-256", x: "x", y: "y" },
        nonce: "text",
        provenAt: 1_763_629_200_009,
        until: 1_763_629_200_010,
      },
      cookieSentAt: 1_763_629_200_004,
      renewals: 2,
      commits: 4,
      flash: { notice: ["saved"], "": null },
      formTokens: ["one", "two"],
      typed: ["a"],
      typedFlash: [""],
      flashLeft: { "": 1 },
      keyExpiry: { a: 1_763_629_200_005, b: 0 },
      dataVersion: 3,
    };
    await assertKept(store, parts);
    for (const name of Object.keys(parts) as (keyof Kept)[]) {
      if (name === "data" || name === "createdAt") continue;
      await assertKept(store, recordOf({}, { [name]: parts[name] }));
      const { [name]: _without, ...rest } = parts;
      await assertKept(store, rest);
    }
  });

  declare("keeps times from 0 to the largest safe integer", async (harness) => {
    const { store } = harness;
    const most = Number.MAX_SAFE_INTEGER;
    const latest = { createdAt: most, expiresAt: most, idleTimeout: most };
    await assertKept(store, recordOf({}, latest));
    await assertKept(store, recordOf({}, { createdAt: 0 }));
  });

  declare("leaves out undefined values", async ({ store }) => {
    const record = { ...recordOf(), user: undefined, expiresAt: undefined };
    await store.save(ID, record as unknown as SessionRecord);
    const kept = await store.load(ID);
    assertEquals(Object.keys(kept!).sort(), ["createdAt", "data"]);
  });

  for (const [what, record] of Object.entries(listUnkeepable())) {
    declare(`refuses a record: ${what}`, async ({ store, age }) => {
      const unkeepable = record as SessionRecord;
      await assertRejects(() => store.save(ID, unkeepable), TypeError);
      await assertRejects(() => store.create(ID, unkeepable), TypeError);
      assertEquals(await entriesOf(store), {});
      await store.save(ID, recordOf({ n: 1 }));
      await age(ID, HOUR);
      const before = await lastAccessOf(store, ID);
      await assertRejects(() => store.save(ID, unkeepable), TypeError);
      await assertRejects(() => store.create(ID, unkeepable), TypeError);
      if (record !== undefined) {
        await assertRejects(
          () => store.update(ID, () => unkeepable),
          TypeError,
        );
      }
      assertEquals(await entriesOf(store), { [ID]: recordOf({ n: 1 }) });
      assertEquals(await lastAccessOf(store, ID), before);
    });
  }

  declare("shares nothing with the caller of save()", async ({ store }) => {
    for (const write of ["save", "create"] as const) {
      const data = { list: [1], nested: { n: 1 } };
      const record = { ...recordOf(data), user: "ann", formTokens: ["a"] };
      const id = write === "save" ? ID : OTHER_ID;
      const written = store[write](id, record);
      data.list.push(2);
      await written;
      data.nested.n = 2;
      record.user = "eve";
      record.formTokens.push("b");
      assertEquals(await store.load(id), {
        ...recordOf({ list: [1], nested: { n: 1 } }),
        user: "ann",
        formTokens: ["a"],
      });
    }
  });

  declare("shares nothing with the caller of load()", async ({ store }) => {
    const record = recordOf({ list: [1] }, { formTokens: ["a"] });
    await store.save(ID, record);
    const spoil = (given: SessionRecord | undefined): void => {
      assertEquals(given, record);
      (given!.data.list as number[]).push(2);
      Object.assign(given!, { user: "eve", data: {} });
    };
    spoil(await store.load(ID));
    spoil(await store.load(ID));
    for await (const [, given] of store.entries()) spoil(given);
    const touch = (given: SessionRecord): boolean => {
      (given.formTokens as string[]).push("b");
      return true;
    };
    await store.load(ID, { touch });
    assertEquals(await store.load(ID), record);
  });

  declare("shares nothing with the caller of update()", async ({ store }) => {
    await store.save(ID, recordOf({ list: [1] }));
    let given: SessionRecord | undefined;
    const own = recordOf({ list: [1, 2] });
    const kept = await store.update(ID, (record) => {
      given = record;
      return own;
    });
    (given!.data.list as number[]).push(3);
    (own.data.list as number[]).push(4);
    (kept!.data.list as number[]).push(5);
    assertEquals(await store.load(ID), recordOf({ list: [1, 2] }));
    await store.update(ID, (record) => {
      given = record;
      (record.data.list as number[]).push(3);
      return record;
    });
    (given!.data.list as number[]).push(4);
    assertEquals(await store.load(ID), recordOf({ list: [1, 2, 3] }));
  });
}
