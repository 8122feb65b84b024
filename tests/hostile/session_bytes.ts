/** Session files, whole ones and what accidents and forgers make of them. */

import { crc32 } from "node:zlib";
import { encodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { nest, randomJson, randomKey } from "./json_values.ts";
import type { Random } from "../random.ts";

const CHECKSUM_AT = 11;
const COVERED_AT = 19;
const LIFETIMES_AT = [20, 37];
const ID_AT = 63;
const DEEP = 100_000;

/** A session file that is as it should be. */
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

type Mutation = (random: Random, bytes: Uint8Array) => Uint8Array;

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

/** What accidents do: a disk, a backup, a crash, an editor. */
const ACCIDENTS: readonly Mutation[] = [
  function flipBit(random, bytes) {
    const changed = bytes.slice();
    if (changed.length > 0) {
      changed[random.below(changed.length)]! ^= 1 << random.below(8);
    }
    return changed;
  },
  function cut(random, bytes) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function loseTheBeginning(random, bytes) {
    return bytes.subarray(random.below(bytes.length + 1));
  },
  function insert(random, bytes) {
    const at = random.below(bytes.length + 1);
    const inserted = random.oneIn(2)
      ? random.bytes(20)
      : bytesOf(random.pick(FRAGMENTS));
    return join(bytes.subarray(0, at), inserted, bytes.subarray(at));
  },
  function zero(random, bytes) {
    const at = random.below(bytes.length + 1);
    return bytes.slice().fill(0, at, at + random.below(64));
  },
  function splice(random, bytes) {
    const other = random.pick(WHOLES).bytes;
    const at = random.below(Math.min(bytes.length, other.length) + 1);
    return join(bytes.subarray(0, at), other.subarray(at));
  },
  function spliceAnywhere(random, bytes) {
    const other = random.pick(WHOLES).bytes;
    return join(
      bytes.subarray(0, random.below(bytes.length + 1)),
      other.subarray(random.below(other.length + 1)),
    );
  },
  function repeat(_random, bytes) {
    return join(bytes, bytes);
  },
  function replaceId(random, bytes) {
    return putAt(bytes, ID_AT, random.pick(IDS));
  },
  function replaceLifetime(random, bytes) {
    const digits = random.pick(["9", "-", "0", " ", "\xff", "1e9", "-1"]);
    return putAt(
      bytes,
      random.pick(LIFETIMES_AT),
      digits.repeat(16).slice(0, 16),
    );
  },
  function replaceHead(random, bytes) {
    const other = random.pick(WHOLES).bytes;
    return join(other.subarray(0, ID_AT), bytes.subarray(ID_AT));
  },
];

/** Changes bytes in up to four ways. */
export function damage(random: Random, bytes: Uint8Array): Uint8Array {
  let changed = bytes;
  for (let left = 1 + random.below(4); left > 0; left--) {
    changed = random.pick(ACCIDENTS)(random, changed);
  }
  return changed;
}

/** Writes the right checksum into bytes that hold anything. */
export function reseal(bytes: Uint8Array): Uint8Array {
  if (bytes.length < COVERED_AT) return bytes;
  const sum = crc32(bytes.subarray(COVERED_AT)).toString(16).padStart(8, "0");
  return putAt(bytes, CHECKSUM_AT, sum);
}

/** Writes a file with the right head and checksum, whatever its body is. */
export function forge(id: string, body: Uint8Array | string): Uint8Array {
  const none = "-".repeat(16);
  const head = `latchkey/1 00000000 ${none} ${none} -------- ${id}\n`;
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

/** Writes a body that is nearly a record's: a field too many, one of another kind. */
export function randomBody(random: Random): Uint8Array {
  if (random.oneIn(6)) return bytesOf(`${randomJson(random, 4)}\n`);
  const odd = random.pick(FIELDS);
  const fields = FIELDS.filter((name) =>
    name === odd || name === "data" || name === "createdAt" || random.oneIn(2)
  ).filter((name) => name === odd || name in FITTING).map((name) =>
    `${JSON.stringify(name)}:${
      name === odd && !random.oneIn(4)
        ? randomJson(random, 3)
        : FITTING[name] ?? "1"
    }`
  );
  if (random.oneIn(4)) {
    fields.push(`${JSON.stringify(randomKey(random))}:1`);
  }
  const bytes = bytesOf(`{${fields.join(",")}}\n`);
  // What is no UTF-8 at all.
  return random.oneIn(4) ? damage(random, bytes) : bytes;
}

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
