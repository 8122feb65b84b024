/**
 * Any value that a client can make an application keep: after a commit another
 * store reads the same value from the disk, or the value is refused with a
 * `TypeError` when it is set.
 */

import fc from "npm:fast-check@4.11.0";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { searchSlowly } from "../search.ts";
import { anyKey, anyValue, nest } from "./json_values.ts";
import { assertUnpolluted } from "./prototypes.ts";

/** A browser, and the server it speaks to: a new one for each request. */
class Visitor implements Disposable {
  readonly #directory = new TemporaryDirectory();
  #cookie = "";

  async visit(handle: (session: Session) => void): Promise<void> {
    const store = new DirectorySessionStore(this.#directory.path);
    const headers = new Headers({ cookie: this.#cookie });
    const request = new Request("http://localhost/", { headers });
    const response = await new SessionManager({ store, maxBytes: Infinity })
      .run(request, (session) => {
        handle(session);
        return new Response();
      });
    const cookie = response.headers.getSetCookie()[0]?.split(";")[0];
    if (cookie !== undefined) this.#cookie = cookie;
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

function parse(text: string): unknown {
  return JSON.parse(text);
}

const KEPT: Readonly<Record<string, unknown>> = {
  "keys of prototypes": parse(
    '{"__proto__":{"polluted":1,"__proto__":{}},"constructor":{"prototype":{"polluted":1}},"toString":1,"hasOwnProperty":null}',
  ),
  "an array of them": parse('[{"__proto__":[]},[{"__proto__":null}]]'),
  "no prototype": Object.assign(Object.create(null), { a: 1 }),
  "lone surrogates": ["\ud800", "\udfff\ud800", "a\ud83c", "\udf6a🍪"],
  "numbers": [
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
    Number.MIN_VALUE,
    Number.MAX_SAFE_INTEGER,
    2 ** 53 + 2,
    2 ** 64,
    0.1 + 0.2,
    1e-7,
    1e21,
  ],
  "controls": "\0\x01\x1f\x7f\x80\u2028\u2029\ufeff\ufffe\uffff",
  "100 levels of arrays": parse(nest("[", "", 100)),
  "100 levels of objects": parse(nest('{"a":', "1", 100)),
  "100 levels of __proto__": parse(nest('{"__proto__":', "1", 100)),
  "a long text": "\ud83c0123456789abcde\n".repeat(2 ** 16),
  "an empty key": { "": { "": [""] } },
  "a long key": { ["k".repeat(2 ** 20)]: 1 },
  "10,000 keys": Object.fromEntries(
    Array.from({ length: 10_000 }, (_, at) => [`key ${at}`, at]),
  ),
  "100,000 elements": Array.from({ length: 100_000 }, (_, at) => at),
};

for (const [what, value] of Object.entries(KEPT)) {
  Deno.test(`a session keeps ${what}, as data and as a flash`, async () => {
    using visitor = new Visitor();
    const text = JSON.stringify(value);
    await visitor.visit((session) => {
      session.set("value", value);
      session.update("updated", () => value);
      session.flash("value", value);
    });
    await visitor.visit((session) => {
      assertEquals(JSON.stringify(session.get("value")) === text, true);
      assertEquals(JSON.stringify(session.get("updated")) === text, true);
      assertEquals(JSON.stringify(session.flash("value")) === text, true);
    });
    assertUnpolluted();
  });
}

const hole = Object.assign(new Array(1), { name: 1 });
const mixed = Object.assign([1, , 3], { name: 1 });

const REFUSED: Readonly<Record<string, unknown>> = {
  "101 levels of arrays": parse(nest("[", "", 101)),
  "101 levels of objects": parse(nest('{"a":', "1", 101)),
  "100,000 levels": parse(nest('{"__proto__":', "1", 100_000)),
  "NaN": NaN,
  "infinity": { a: [Infinity] },
  "a function as toJSON": { toJSON: () => 1 },
  "a prototype of its own": Object.create({ inherited: 1 }),
  "a key that JSON would escape": { a: [{ "\\": 1 }] },
  "a hole, with a named property": hole,
  "a hole in the middle, with a named property": [mixed],
};

for (const [what, value] of Object.entries(REFUSED)) {
  Deno.test(`a session refuses ${what}, and keeps the rest`, async () => {
    using visitor = new Visitor();
    await visitor.visit((session) => {
      session.set("kept", 1);
      assertThrows(() => session.set("value", value), TypeError);
      assertThrows(() => session.update("value", () => value), TypeError);
      assertThrows(() => session.flash("value", value), TypeError);
    });
    await visitor.visit((session) => {
      assertEquals([...session.entries()], [["kept", 1]]);
      assertEquals(session.flash("value"), undefined);
    });
    assertUnpolluted();
  });
}

Deno.test("a session keeps -0 as 0", async () => {
  using visitor = new Visitor();
  await visitor.visit((session) => session.set("value", [-0]));
  await visitor.visit((session) => assertEquals(session.get("value"), [0]));
});

/** Names that every object has, and some that look like ours. */
const NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "__defineGetter__",
  "then",
  "toJSON",
  "",
  "0",
  "data",
  "createdAt",
  "expiresAt",
  "secretHash",
  "\u2028",
  "\x7f",
  "k".repeat(2 ** 16),
];

Deno.test("no name has a value before it is set, and each is a key like any other", async () => {
  using visitor = new Visitor();
  const valueOf = (name: string) => ({ name, list: [name.length] });
  await visitor.visit((session) => {
    for (const name of NAMES) {
      assertEquals(session.get(name), undefined, name);
      assertEquals(session.has(name), false, name);
      assertEquals(session.delete(name), false, name);
      assertEquals(session.flash(name), undefined, name);
      assertEquals(session.hasFormToken(name), false, name);
    }
    for (const name of NAMES) {
      session.set(name, valueOf(name));
      session.flash(name, valueOf(name));
    }
  });
  await visitor.visit((session) => {
    assertEquals([...session.keys()].sort(), NAMES.toSorted());
    for (const name of NAMES) {
      assertEquals(session.get(name), valueOf(name));
      assertEquals(session.flash(name), valueOf(name));
      // A change inside the value, without a call of the session.
      (session.get(name) as { list: number[] }).list.push(1);
    }
  });
  await visitor.visit((session) => {
    for (const name of NAMES) {
      const { list } = session.get(name) as { list: number[] };
      assertEquals(list, [name.length, 1]);
      assertEquals(session.flash(name), undefined);
      assertEquals(session.delete(name), true);
    }
    session.set("last", 1);
  });
  await visitor.visit((session) => {
    assertEquals([...session.entries()], [["last", 1]]);
  });
  assertUnpolluted();
});

Deno.test("a session keeps 10,000 keys", async () => {
  using visitor = new Visitor();
  await visitor.visit((session) => {
    for (let at = 0; at < 10_000; at++) session.set(`key ${at}`, [at]);
  });
  await visitor.visit((session) => {
    assertEquals([...session.keys()].length, 10_000);
    for (const [key, value] of session.entries()) {
      assertEquals(`key ${value}`, key);
    }
  });
});

Deno.test("a user may have any name", async () => {
  using visitor = new Visitor();
  for (const name of NAMES.filter((name) => name !== "")) {
    await visitor.visit((session) => session.setUser(name));
    await visitor.visit((session) => assertEquals(session.user, name));
  }
});

Deno.test("random values are read as they were set", async () => {
  using visitor = new Visitor();
  const inputs = fc.array(fc.tuple(anyKey, anyValue(6)), { maxLength: 7 });
  await searchSlowly("random values", 400, inputs, async (entries) => {
    const expected = new Map<string, string>();
    await visitor.visit((session) => {
      for (const key of [...session.keys()]) session.delete(key);
      // A session without data is not kept.
      for (const [key, value] of [["some", 1] as const, ...entries]) {
        session.set(key, value);
        expected.set(key, JSON.stringify(value));
      }
    });
    await visitor.visit((session) => {
      for (const [key, text] of expected) {
        assertEquals(JSON.stringify(session.get(key)), text, key);
      }
      assertEquals([...session.keys()].length, expected.size);
    });
  });
  assertUnpolluted();
});

Deno.test("data that is too large is refused at the commit, and the old data is kept", async () => {
  using visitor = new Visitor();
  await visitor.visit((session) => session.set("kept", 1));
  let problem: unknown;
  try {
    await visitor.visit((session) =>
      session.set("value", "x".repeat(16 * 2 ** 20))
    );
  } catch (error) {
    problem = error;
  }
  assert(problem instanceof TypeError, `${problem}`);
  assertEquals(problem.message, "Cannot encode a record: it is too large");
  await visitor.visit((session) => {
    assertEquals([...session.entries()], [["kept", 1]]);
  });
});
