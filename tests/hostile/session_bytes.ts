/** Session files: valid, damaged and forged ones. */

import fc from "npm:fast-check@4.11.0";
import { crc32 } from "node:zlib";
import { encodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { anyJson, anyKey, nest } from "./json_values.ts";

const CHECKSUM_AT = 28;
const COVERED_AT = 36;
const ACCESS_AT = 11;
const LIFETIMES_AT = [37, 54];
const ID_AT = 80;
const DEEP = 100_000;

/** A valid session file. */
export interface Whole {
  readonly id: string;
  readonly record: SessionRecord;
  readonly bytes: Uint8Array;
}

/** IDs of which some are the beginning of others. */
export const IDS: readonly string[] = [
  "0123456789abcdef",
  "0123456789abcdef0",
  "0123456789abcdef0123456789abcdef",
  "0123456789abcdef0123456789abcdee",
  "another-session_of-the-same-store",
  "f".repeat(63),
  "f".repeat(64),
];

const RECORDS: readonly SessionRecord[] = [
  { data: {}, createdAt: 0 },
  {
    data: { n: 1, text: "ä", list: [1, { two: null }] },
    createdAt: 1_763_629_200_000,
    expiresAt: 1_766_221_200_000,
    idleTimeout: 1_800_000,
    secretHash: "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
    user: "ann",
    flash: { notice: "saved" },
    formTokens: ["abcdefghijklmnopqrs-_Z", "another-form-token-000"],
  },
  {
    data: JSON.parse('{"__proto__":{"a":1},"constructor":{"b":[2]}}'),
    createdAt: Number.MAX_SAFE_INTEGER,
    expiresAt: Number.MAX_SAFE_INTEGER,
  },
  {
    data: { text: "é\u0000\ud800🍪".repeat(40) },
    createdAt: 1,
    idleTimeout: 0,
  },
];

/** One of each record for each ID. */
export const WHOLES: readonly Whole[] = IDS.flatMap((id) =>
  RECORDS.map((record) => ({ id, record, bytes: encodeRecord(id, record) }))
);

/** Changes bytes in some way. */
type Change = (bytes: Uint8Array) => Uint8Array;

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(
    parts.reduce((length, part) => length + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function putAt(bytes: Uint8Array, at: number, text: string): Uint8Array {
  const room = Math.max(0, bytes.length - at);
  const changed = bytes.slice();
  changed.set(bytesOf(text).subarray(0, room), Math.min(at, bytes.length));
  return changed;
}

const FRAGMENTS = [
  "\0",
  "\n",
  "\r\n",
  "latchkey/1 ",
  "----------------",
  "9999999999999999",
  '"data":{}',
  '"__proto__":{"polluted":true},',
  "\ufeff",
  "}",
  ...IDS,
];

/** Any of the session files. */
export const anyWhole: fc.Arbitrary<Whole> = fc.constantFrom(...WHOLES);

/** Any of the IDs. */
export const anyId: fc.Arbitrary<string> = fc.constantFrom(...IDS);

/** A place in bytes of this length, the end included. */
const placeIn = (place: number, { length }: Uint8Array): number =>
  place % (length + 1);

/** The random parts of an accident: two places, a piece, and its replacement. */
const anyDraw = fc.record({
  place: fc.nat(),
  other: fc.nat(),
  whole: anyWhole,
  inserted: fc.oneof(
    fc.uint8Array({ maxLength: 19, size: "max" }),
    fc.constantFrom(...FRAGMENTS).map(bytesOf),
  ),
  id: anyId,
  digits: fc.constantFrom("9", "-", "0", " ", "\xff", "1e9", "-1"),
  timeAt: fc.constantFrom(ACCESS_AT, ...LIFETIMES_AT),
});

type Draw = typeof anyDraw extends fc.Arbitrary<infer T> ? T : never;

/** The kinds of accidents: of a disk, a backup, a crash, an editor. */
const ACCIDENTS: readonly ((draw: Draw, bytes: Uint8Array) => Uint8Array)[] = [
  function flipBit({ place, other }, bytes) {
    const changed = bytes.slice();
    if (changed.length > 0) changed[place % changed.length]! ^= 1 << other % 8;
    return changed;
  },
  function cut({ place }, bytes) {
    return bytes.subarray(0, placeIn(place, bytes));
  },
  function loseTheBeginning({ place }, bytes) {
    return bytes.subarray(placeIn(place, bytes));
  },
  function insert({ place, inserted }, bytes) {
    const at = placeIn(place, bytes);
    return join(bytes.subarray(0, at), inserted, bytes.subarray(at));
  },
  function zero({ place, other }, bytes) {
    const at = placeIn(place, bytes);
    return bytes.slice().fill(0, at, at + other % 64);
  },
  function splice({ place, whole }, bytes) {
    const shorter = whole.bytes.length < bytes.length ? whole.bytes : bytes;
    const at = placeIn(place, shorter);
    return join(bytes.subarray(0, at), whole.bytes.subarray(at));
  },
  function spliceAnywhere({ place, other, whole }, bytes) {
    return join(
      bytes.subarray(0, placeIn(place, bytes)),
      whole.bytes.subarray(placeIn(other, whole.bytes)),
    );
  },
  function repeat(_draw, bytes) {
    return join(bytes, bytes);
  },
  function replaceId({ id }, bytes) {
    return putAt(bytes, ID_AT, id);
  },
  function replaceTime({ digits, timeAt }, bytes) {
    return putAt(bytes, timeAt, digits.repeat(16).slice(0, 16));
  },
  function replaceHead({ whole }, bytes) {
    return join(whole.bytes.subarray(0, ID_AT), bytes.subarray(ID_AT));
  },
];

/** Up to four accidents. */
export const anyDamage: fc.Arbitrary<Change> = fc.array(
  fc.tuple(fc.constantFrom(...ACCIDENTS), anyDraw),
  { minLength: 1, maxLength: 4 },
).map((accidents) => (bytes) =>
  accidents.reduce((bytes, [change, draw]) => change(draw, bytes), bytes)
);

/** Writes the right checksum into bytes that hold anything. */
export function reseal(bytes: Uint8Array): Uint8Array {
  if (bytes.length < COVERED_AT) return bytes;
  const sum = crc32(bytes.subarray(COVERED_AT)).toString(16).padStart(8, "0");
  return putAt(bytes, CHECKSUM_AT, sum);
}

/** Writes a file with the right head and checksum, whatever its body is. */
export function forge(id: string, body: Uint8Array | string): Uint8Array {
  const none = "-".repeat(16);
  const access = "0".repeat(16);
  const head = `latchkey/1 ${access} 00000000 ${none} ${none} -------- ${id}\n`;
  const rest = typeof body === "string" ? bytesOf(body) : body;
  return reseal(join(bytesOf(head), rest));
}

const FIELDS = [
  "data",
  "createdAt",
  "secretHash",
  "user",
  "flash",
  "formTokens",
  "typed",
  "keyExpiry",
  "dataVersion",
  "expiresAt",
  "idleTimeout",
  "__proto__",
];

const FITTING: Readonly<Record<string, string>> = {
  data: '{"a":[1,{"__proto__":2}]}',
  createdAt: "1",
  secretHash: '"hash"',
  user: '"ann"',
  flash: '{"a":1}',
  formTokens: '["a","b"]',
  typed: '["a"]',
  keyExpiry: '{"a":1}',
  dataVersion: "1",
};

/** Nearly a record: with a field too many, or a field of another type. */
const anyFields: fc.Arbitrary<Uint8Array> = fc.record({
  odd: fc.constantFrom(...FIELDS),
  json: fc.option(anyJson(3), { freq: 4 }),
  others: fc.subarray([...FIELDS]),
  key: fc.option(anyKey, { freq: 2 }),
}).map(({ odd, json, others, key }) => {
  const fields = FIELDS.filter((name) =>
    name === odd ||
    name in FITTING && ["data", "createdAt", ...others].includes(name)
  ).map((name) =>
    `${JSON.stringify(name)}:${
      name === odd && json !== null ? json : FITTING[name] ?? "1"
    }`
  );
  if (key !== null) fields.push(`${JSON.stringify(key)}:1`);
  return bytesOf(`{${fields.join(",")}}\n`);
});

/** The body of a file, mostly nearly a record's. */
export const anyBody: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 1, arbitrary: anyJson(4).map((json) => bytesOf(`${json}\n`)) },
  { weight: 4, arbitrary: anyFields },
  {
    // Bytes that are not UTF-8.
    weight: 1,
    arbitrary: fc.tuple(anyFields, anyDamage)
      .map(([bytes, damage]) => damage(bytes)),
  },
);

/** Bodies too large to be written often. */
export const DEEP_BODIES: readonly string[] = [
  nest("[", "", DEEP),
  nest('{"a":', "1", DEEP),
  ...[nest("[", "", DEEP), nest('{"a":', "1", DEEP), nest('{"0":', "1", DEEP)]
    .map((deep) => `{"createdAt":1,"data":{"deep":${deep}}}`),
  `{"createdAt":1,"data":${nest('{"__proto__":', "1", DEEP)}}`,
  `{"createdAt":1,"data":{},"flash":${nest('{"a":', "1", DEEP)}}`,
  `{"createdAt":1,"data":{},"formTokens":${nest("[", "", DEEP)}}`,
  `{"createdAt":1,"data":{"cut":${"[".repeat(DEEP)}`,
];
