import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ACCESS_AT,
  decodeLifetime,
  decodeRecord,
  decodeTag,
  encodeLastAccess,
  encodeRecord,
  FLAG_AT,
  hasOtherTag,
  isNewer,
  LONGEST_HEAD,
  putLastAccess,
  readLastAccess,
  UNPUBLISHED,
  userTag,
} from "../../src/core/codec.ts";
import { isSafeKey, type SessionRecord } from "../../src/core/record.ts";

const ID = "0123456789abcdef";
const RECORD: SessionRecord = {
  data: { n: 1, text: "ä" },
  createdAt: 1_763_629_200_000,
  expiresAt: 1_766_221_200_000,
  idleTimeout: 1_800_000,
  secretHash: "hash",
  user: "ann",
  signedInAt: 5,
  absoluteTimeout: 60_000,
  userGeneration: 7,
  login: { user: "bob", generation: 8 },
  label: "Firefox",
  flash: { notice: "saved" },
  formTokens: ["one"],
};
const NONE = "----------------";

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** CRC-32 as the specification of gzip (RFC 1952, section 8) has it. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Writes the right checksum into changed bytes. */
function reseal(bytes: Uint8Array): Uint8Array {
  const sum = crc32(bytes.subarray(36)).toString(16).padStart(8, "0");
  bytes.set(new TextEncoder().encode(sum), 28);
  return bytes;
}

/** A small generator with a seed, so that a failure can be repeated. */
function* randomBytes(seed: number): Generator<number, never> {
  for (let state = seed;;) {
    // Marsaglia's xorshift32.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state & 0xff;
  }
}

Deno.test("encodeRecord() writes the format that the drawing shows", () => {
  const text = textOf(encodeRecord(ID, RECORD, 1_763_629_200_123));
  assertEquals(text.slice(0, 11), "latchkey/1 ");
  assertEquals(text.slice(11, 28), "0001763629200123 ");
  assert(/^[0-9a-f]{8} $/.test(text.slice(28, 37)));
  assertEquals(text.slice(37, 54), "0001766221200000 ");
  assertEquals(text.slice(54, 71), "0000000001800000 ");
  assertEquals(text.slice(71, 80), `${userTag("ann")} `);
  assertEquals(text.slice(80, 97), `${ID}\n`);
  const { expiresAt: _e, idleTimeout: _i, ...body } = RECORD;
  assertEquals(JSON.parse(text.slice(97)), body);
  assertEquals(text.at(-1), "\n");
});

Deno.test("encodeRecord() writes the same bytes in every version", () => {
  const record = { data: { n: 1 }, createdAt: 5 };
  assertEquals(
    textOf(encodeRecord(ID, record)),
    `latchkey/1 0000000000000000 d217b49c ${NONE} ${NONE} -------- ${ID}\n{"createdAt":5,"data":{"n":1}}\n`,
  );
});

Deno.test("the checksum of encodeRecord() covers everything after it", () => {
  const bytes = encodeRecord(ID, RECORD);
  const sum = textOf(bytes.subarray(28, 36));
  assertEquals(parseInt(sum, 16), crc32(bytes.subarray(36)));
});

Deno.test("encodeRecord() writes dashes for a missing lifetime", () => {
  const record = { data: {}, createdAt: 0 };
  assertEquals(
    textOf(encodeRecord(ID, record).subarray(37, 71)),
    `${NONE} ${NONE} `,
  );
  assertEquals(
    textOf(encodeRecord(ID, { ...record, expiresAt: 0 }).subarray(37, 71)),
    `0000000000000000 ${NONE} `,
  );
});

Deno.test("encodeRecord() needs data that JSON writes as an object", () => {
  for (const data of [null, [], "", 1, true, undefined, new Date(), () => {}]) {
    const record = { data, createdAt: 1 } as unknown as SessionRecord;
    assertThrows(
      () => encodeRecord(ID, record),
      TypeError,
      "Cannot encode a record: data is not an object",
    );
  }
});

Deno.test("encodeRecord() needs times in whole milliseconds from 0 up", () => {
  for (const name of ["createdAt", "expiresAt", "idleTimeout"] as const) {
    for (const time of [NaN, -1, 0.5, Infinity, 2 ** 53, "1", null, 1n]) {
      const record = { data: {}, createdAt: 1, [name]: time };
      assertThrows(
        () => encodeRecord(ID, record as unknown as SessionRecord),
        TypeError,
        `Cannot encode a record: ${name} is not whole milliseconds from 0 up`,
      );
    }
  }
});

Deno.test("decodeRecord() returns the record that encodeRecord() was given", () => {
  const bare = { data: {}, createdAt: 0 };
  const records: SessionRecord[] = [
    RECORD,
    bare,
    { ...bare, expiresAt: 0 },
    { ...bare, idleTimeout: 0 },
    { ...bare, expiresAt: Number.MAX_SAFE_INTEGER },
    { ...bare, idleTimeout: Number.MAX_SAFE_INTEGER },
    { ...bare, createdAt: Number.MAX_SAFE_INTEGER },
    { ...bare, data: JSON.parse(`{"__proto__":{"a":1}}`) },
    { ...bare, data: { "": "\ufeff\x00\n", text: '\udfff":"\\":' } },
  ];
  for (const record of records) {
    const decoded = decodeRecord(ID, encodeRecord(ID, record));
    assertEquals(decoded, record);
    assertEquals(
      JSON.stringify((decoded as SessionRecord).data),
      JSON.stringify(record.data),
    );
  }
});

Deno.test("decodeRecord() adds no lifetime to a record without one", () => {
  const record = { data: {}, createdAt: 1 };
  const decoded = decodeRecord(ID, encodeRecord(ID, record));
  assertEquals(Object.keys(decoded).sort(), ["createdAt", "data"]);
});

Deno.test("decodeRecord() keeps every digit of a time", () => {
  for (let back = 0; back < 64; back++) {
    const time = Number.MAX_SAFE_INTEGER - back;
    const record = { data: {}, createdAt: 1, expiresAt: time };
    assertEquals(decodeRecord(ID, encodeRecord(ID, record)), record);
  }
});

Deno.test("decodeLifetime() gives the lifetime alone", () => {
  assertEquals(decodeLifetime(ID, encodeRecord(ID, RECORD)), {
    expiresAt: 1_766_221_200_000,
    idleTimeout: 1_800_000,
  });
  const bare = { data: {}, createdAt: 1 };
  assertEquals(decodeLifetime(ID, encodeRecord(ID, bare)), {});
  const idle = { ...bare, idleTimeout: 7 };
  assertEquals(decodeLifetime(ID, encodeRecord(ID, idle)), { idleTimeout: 7 });
});

Deno.test("encodeRecord() tags a record with its user, and a record without a user with dashes", () => {
  const bare = { data: {}, createdAt: 1 };
  const tagOf = (record: SessionRecord) =>
    textOf(encodeRecord(ID, record).subarray(71, 79));
  assertEquals(tagOf(bare), "--------");
  for (const user of ["ann", "", "\ud800", "é", "x".repeat(1_000)]) {
    assertEquals(tagOf({ ...bare, user }), userTag(user));
  }
  // The check value of CRC-32.
  assertEquals(tagOf({ ...bare, user: "123456789" }), "cbf43926");
});

Deno.test("decodeTag() reads the tag from the head of the session's file, and from no other", () => {
  for (const id of [ID, "a".repeat(64)]) {
    const bytes = encodeRecord(id, RECORD);
    const head = bytes.slice(0, LONGEST_HEAD);
    assertEquals(decodeTag(id, head), userTag("ann"));
    // Whatever the rest of the file is.
    assertEquals(
      decodeTag(id, head.subarray(0, 80 + id.length + 1)),
      "e7207273",
    );
    for (let length = 0; length <= 80 + id.length; length++) {
      assertEquals(decodeTag(id, head.subarray(0, length)), undefined);
    }
    const nobodys = encodeRecord(id, { data: {}, createdAt: 1 });
    assertEquals(decodeTag(id, nobodys), undefined);
    assertEquals(decodeTag(`b${id.slice(1)}`, head), undefined);
    assertEquals(decodeTag(id.slice(1), head), undefined);
    head[0]! ^= 1;
    assertEquals(decodeTag(id, head), undefined);
  }
});

Deno.test("hasOtherTag() knows whole, published bytes of that ID with another tag, and nothing else", () => {
  const bytes = encodeRecord(ID, RECORD);
  const bob = userTag("bob");
  assert(hasOtherTag(ID, bytes, bob));
  assert(hasOtherTag(ID, bytes, userTag(undefined)));
  assertEquals(hasOtherTag(ID, bytes, userTag("ann")), false);
  assertEquals(hasOtherTag("0123456789abcdee", bytes, bob), false);
  assertEquals(hasOtherTag("0123456789abcdef0", bytes, bob), false);
  for (let length = 0; length < bytes.length; length++) {
    assertEquals(hasOtherTag(ID, bytes.subarray(0, length), bob), false);
  }
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    if (isDigitOfAccess(flipped, bit >> 3)) continue;
    assertEquals(hasOtherTag(ID, flipped, bob), false, `bit ${bit}`);
  }
  const unpublished = bytes.slice();
  unpublished[FLAG_AT] = UNPUBLISHED;
  assertEquals(hasOtherTag(ID, unpublished, bob), false);
  assertEquals(typeof decodeRecord(ID, unpublished), "object");
});

Deno.test("bytes under another ID are foreign", () => {
  const bytes = encodeRecord(ID, RECORD);
  const others = [
    "0123456789abcdee",
    "0123456789abcdef0",
    "0123456789abcdef-",
    "fedcba9876543210",
    "a".repeat(64),
  ];
  for (const other of others) {
    assertEquals(decodeRecord(other, bytes), "foreign", other);
    assertEquals(decodeLifetime(other, bytes), "foreign", other);
    const theirs = encodeRecord(other, RECORD);
    assertEquals(decodeRecord(ID, theirs), "foreign", other);
  }
});

Deno.test("bytes cut off anywhere are unreadable", () => {
  const bytes = encodeRecord(ID, RECORD);
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    assertEquals(decodeRecord(ID, cut), "unreadable", `at ${length}`);
    assertEquals(decodeLifetime(ID, cut), "unreadable", `at ${length}`);
  }
});

Deno.test("bytes with a tail are unreadable", () => {
  const bytes = encodeRecord(ID, RECORD);
  for (const tail of ["\n", "\0", "{}", textOf(bytes)]) {
    const longer = new TextEncoder().encode(textOf(bytes) + tail);
    assertEquals(decodeRecord(ID, longer), "unreadable");
  }
});

/** Whether there is a digit in the place of the last access. */
function isDigitOfAccess(bytes: Uint8Array, at: number): boolean {
  return at >= ACCESS_AT && at < ACCESS_AT + 16 &&
    /[0-9]/.test(String.fromCharCode(bytes[at]!));
}

Deno.test("any one bit flipped makes bytes unreadable, or the last access another", () => {
  const bytes = encodeRecord(ID, RECORD, 1_763_629_200_123);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    if (isDigitOfAccess(flipped, bit >> 3)) {
      assertEquals(decodeRecord(ID, flipped), RECORD);
      const access = textOf(flipped.subarray(ACCESS_AT, ACCESS_AT + 16));
      assertEquals(readLastAccess(flipped), Number(access));
      continue;
    }
    // A bit may make another version.
    const verdict = isNewer(flipped) ? "newer" : "unreadable";
    assert(verdict === "unreadable" || bit >> 3 === 9 || bit >> 3 === 10);
    assertEquals(decodeRecord(ID, flipped), verdict, `bit ${bit}`);
    assertEquals(decodeLifetime(ID, flipped), verdict, `bit ${bit}`);
  }
});

Deno.test("any two bytes exchanged make bytes unreadable", () => {
  const bytes = encodeRecord(ID, { data: { n: 1 }, createdAt: 2 });
  for (let one = 0; one < bytes.length; one++) {
    for (let other = one + 1; other < bytes.length; other++) {
      if (bytes[one] === bytes[other]) continue;
      const exchanged = bytes.slice();
      exchanged[one] = bytes[other]!;
      exchanged[other] = bytes[one]!;
      const isTime = isDigitOfAccess(exchanged, one) &&
        isDigitOfAccess(exchanged, other);
      if (isTime) continue;
      const verdict = isNewer(exchanged) ? "newer" : "unreadable";
      assert(
        verdict === "unreadable" || one === 9 || other === 9 || other === 10 ||
          one === 10,
      );
      assertEquals(decodeRecord(ID, exchanged), verdict);
    }
  }
});

Deno.test("another version is newer, whatever follows; what is no version is unreadable", () => {
  const bytes = encodeRecord(ID, RECORD);
  for (const version of ["2", "0", "9", "10", "11", "199", "01", "2.1"]) {
    const magic = new TextEncoder().encode(`latchkey/${version}`);
    const other = bytes.slice();
    other.set(new TextEncoder().encode(`${textOf(magic)} `));
    for (const newer of [magic, other, new Uint8Array([...magic, 0, 255])]) {
      assert(isNewer(newer), version);
      assertEquals(decodeRecord(ID, newer), "newer", version);
      assertEquals(decodeLifetime(ID, newer), "newer", version);
      assertEquals(hasOtherTag(ID, newer, "e7207273"), false);
      assertEquals(decodeTag(ID, newer), undefined);
    }
  }
  assertEquals(isNewer(bytes), false);
  for (
    const magic of [
      "Latchkey/2 ",
      "latchkey/x ",
      "latchkey/ 2",
      "latchkey2/ ",
      "latchkey/1x",
    ]
  ) {
    const other = bytes.slice();
    other.set(new TextEncoder().encode(magic));
    assertEquals(decodeRecord(ID, other), "unreadable", magic);
    assertEquals(decodeLifetime(ID, other), "unreadable", magic);
  }
});

Deno.test("whole bytes without a record in them are unreadable", () => {
  const bodies = [
    "",
    "null",
    "[]",
    "1",
    '"text"',
    "{}",
    '{"createdAt":1}',
    '{"data":{}}',
    '{"createdAt":"1","data":{}}',
    '{"createdAt":1,"data":[]}',
    '{"createdAt":1,"data":null}',
    '{"createdAt":1,"data":"text"}',
    '{"createdAt":1,"data":{}',
    "<html>",
  ];
  const head = textOf(encodeRecord(ID, RECORD)).slice(0, 97);
  for (const body of bodies) {
    const bytes = reseal(new TextEncoder().encode(`${head}${body}\n`));
    assertEquals(decodeRecord(ID, bytes), "unreadable", body);
  }
});

Deno.test("decoding never throws, and accepts no random bytes", () => {
  const random = randomBytes(20251120);
  const whole = encodeRecord(ID, RECORD);
  for (let round = 0; round < 20_000; round++) {
    const length = random.next().value;
    const bytes = Uint8Array.from({ length }, () => random.next().value);
    // Half of them begin as a record does.
    if (round % 2) bytes.set(whole.subarray(0, Math.min(length, 97)));
    assertEquals(decodeRecord(ID, bytes), "unreadable");
    assertEquals(decodeLifetime(ID, bytes), "unreadable");
  }
});

Deno.test("decoding never throws on whole random bodies", () => {
  const random = randomBytes(42);
  const head = encodeRecord(ID, RECORD).subarray(0, 97);
  for (let round = 0; round < 5_000; round++) {
    const bytes = new Uint8Array(97 + random.next().value);
    for (let at = 37; at < bytes.length; at++) {
      bytes[at] = random.next().value;
    }
    bytes.set(head.subarray(0, 37));
    bytes.set(head.subarray(80), 80);
    const body = decodeRecord(ID, reseal(bytes));
    assertEquals(body, "unreadable");
    assertEquals(typeof decodeLifetime(ID, bytes), "object");
  }
});

Deno.test("a last access is a number up to 2 ** 53 - 1; bytes with any other are unreadable", () => {
  const bytes = encodeRecord(ID, RECORD);
  for (const at of [0, 1, 1_763_629_200_123, Number.MAX_SAFE_INTEGER]) {
    putLastAccess(bytes, at);
    assertEquals(readLastAccess(bytes), at);
    assertEquals(bytes, encodeRecord(ID, RECORD, at));
    assertEquals(
      bytes.subarray(ACCESS_AT, ACCESS_AT + 16),
      encodeLastAccess(at),
    );
    assertEquals(decodeRecord(ID, bytes), RECORD);
    assertEquals(typeof decodeLifetime(ID, bytes), "object");
  }
  const wrong = [
    "9007199254740992",
    "9007199254740993",
    "9999999999999999",
    "----------------",
    "                ",
    "NaNNaNNaNNaNNaNN",
    "-000000000000001",
    "+000000000000001",
    "0x00000000000001",
    "00000000000001e9",
    "000000000000000\0",
    "000000000000000/",
    "000000000000000:",
    "0001763629200.12",
    "00017636292001é",
  ];
  for (const digits of wrong) {
    bytes.set(new TextEncoder().encode(digits), ACCESS_AT);
    assertEquals(readLastAccess(bytes), undefined, digits);
    assertEquals(decodeRecord(ID, bytes), "unreadable", digits);
    assertEquals(decodeLifetime(ID, bytes), "unreadable", digits);
  }
});

Deno.test("decoding does not keep or change the bytes", () => {
  const bytes = encodeRecord(ID, RECORD);
  const before = bytes.slice();
  const decoded = decodeRecord(ID, bytes);
  assertEquals(bytes, before);
  bytes.fill(0);
  assertEquals(decoded, RECORD);
});

Deno.test("encodeRecord() refuses a key that JSON would have to escape, at any depth", () => {
  for (const key of ['"', "\\", "\n", "\x00", "a\x1f", "\ud800", "x\udfff"]) {
    assertEquals(isSafeKey(key), false);
    const object = { a: 'text": ', [key]: 1 };
    for (const data of [object, { list: ["\\", { object }] }]) {
      assertThrows(
        () => encodeRecord(ID, { data, createdAt: 0 }),
        TypeError,
        "JSON would have to escape a key",
      );
      assertThrows(
        () => encodeRecord(ID, { data: {}, flash: data, createdAt: 0 }),
        TypeError,
      );
    }
  }
  for (const key of ["", "é", "\x7f", "\u2028", "🍪", "a:b", "'"]) {
    assertEquals(isSafeKey(key), true);
    const record = { data: { [key]: '":\\' }, createdAt: 0 };
    assertEquals(decodeRecord(ID, encodeRecord(ID, record)), record);
  }
});
