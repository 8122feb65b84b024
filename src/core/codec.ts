/*
 * The stored format, version 1: one line of ASCII at fixed places, then JSON.
 *
 *   0         10        20               37               54       63
 *   latchkey/1pcccccccc eeeeeeeeeeeeeeee iiiiiiiiiiiiiiii uuuuuuuu <session ID>\n
 *   {"createdAt":…,"data":{…}}\n
 *
 *   p  a space: published; `?`: as yet unpublished, or its writer died before
 *      he could say so. Not covered by the checksum; see disk/spare_file.ts
 *   c  CRC-32 of all that follows it (from 19 to the end), 8 lower-case hex
 *   e  `expiresAt`, 16 decimal digits, or 16 times `-` for none
 *   i  `idleTimeout`, the same
 *   u  the tag of `user`, see user_tag.ts
 *
 * Invariants: lifetime and tag are at a fixed place, so that a touch, the
 * cleaner and whoever looks for a user need no JSON; the file carries its own ID, so that one which a
 * backup or a power loss put behind another name gives nobody somebody else's
 * session; the checksum covers it all. Bytes of any other version are unreadable,
 * and so is what is longer than LARGEST_RECORD, or no record in some part.
 *
 * A key that JSON would have to escape is refused: V8's `JSON.parse` may take
 * it for another one that any code of the process has parsed before
 * (https://github.com/nodejs/node/issues/63785). Values are not concerned.
 *
 * Not promised: protection against somebody who may write the directory. The
 * checksum finds accidents, not forgeries.
 */
import { crc32 } from "node:zlib";
import { findFault, isPlainObject } from "./find_fault.ts";
import type { JsonObject, Lifetime, SessionRecord } from "./record.ts";
import { userTag } from "./user_tag.ts";

/**
 * The most bytes of a record, 16 MiB. More is refused when it is written and
 * unreadable when it is found, so a stray file costs no more memory than this,
 * whatever its size.
 */
export const LARGEST_RECORD: number = 16 * 1024 * 1024;

/** Where the mark is, the one byte that changes behind a name. */
export const MARK_AT = 10;
/** The mark of a record that is, or once was, what its name led to. */
export const PUBLISHED = 0x20;
/** The mark of a record of which that is not known. */
export const UNPUBLISHED = 0x3f;

const MAGIC = "latchkey/1";
const CHECKSUM_AT = 11;
const COVERED_AT = 19;
const EXPIRES_AT = 20;
const IDLE_TIMEOUT_AT = 37;
const TAG_AT = 54;
const ID_AT = 63;
const DIGITS = 16;
const NONE = "-".repeat(DIGITS);
const ZERO = 0x30;
const DASH = 0x2d;
const NEWLINE = 0x0a;
// deno-lint-ignore no-control-regex
const ESCAPED = /["\\\u0000-\u001f\p{Surrogate}]/u;
/** Most keys; a class of ASCII is found faster than one of Unicode. */
const PLAIN = /^[\w.:-]*$/;
const WHITE_SPACE = " \t\n\r";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Why bytes are no record for an ID: `"unreadable"`, they are not whole or not
 * of this format; `"foreign"`, they are whole and another session's.
 */
export type Unusable = "unreadable" | "foreign";

/**
 * Encodes a record for the medium.
 *
 * @param id The session ID that the bytes are for.
 * @param record What to keep.
 * @returns The bytes, whole and checksummed.
 * @throws {TypeError} If the record is not of the shape of one, or too large.
 */
export function encodeRecord(
  id: string,
  record: SessionRecord,
): Uint8Array<ArrayBuffer> {
  const fault = findFault(record);
  if (fault !== undefined) throw cannotEncode(fault);
  const { expiresAt, idleTimeout, data, flash } = record;
  const { createdAt, secretHash, user, formTokens } = record;
  const { untilBrowserCloses, cookieSentAt, rotatedAt } = record;
  const { typed, typedFlash, keyEnds, dataVersion } = record;
  const { userGeneration, label, commits, previous, sealed } = record;
  const rest = JSON.stringify({
    createdAt,
    secretHash,
    user,
    userGeneration,
    label,
    formTokens,
    untilBrowserCloses,
    cookieSentAt,
    rotatedAt,
    previous,
    sealed,
    typed,
    typedFlash,
    keyEnds,
    dataVersion,
    commits,
  });
  const objects = (flash ? `"flash":${encodeObject("flash", flash)},` : "") +
    `"data":${encodeObject("data", data)}`;
  const lifetime = `${digits(expiresAt)} ${digits(idleTimeout)}`;
  const body = `${rest.slice(0, -1)},${objects}}`;
  if (hasEscapedKey(body)) {
    throw cannotEncode("JSON would have to escape a key");
  }
  const bytes = encoder.encode(
    `${MAGIC} 00000000 ${lifetime} ${userTag(user)} ${id}\n${body}\n`,
  );
  if (bytes.length > LARGEST_RECORD) throw cannotEncode("it is too large");
  encoder.encodeInto(hex(checksum(bytes)), bytes.subarray(CHECKSUM_AT));
  return bytes;
}

/**
 * Tells whether a key of an object comes back as what it was.
 *
 * @param key Any text at all.
 * @returns `false` when it holds what JSON escapes: a quote, a backslash, a
 * control character, half a surrogate pair.
 */
export function isSafeKey(key: string): boolean {
  return PLAIN.test(key) || !ESCAPED.test(key);
}

/**
 * Decodes what a medium kept.
 *
 * @param id The session ID that the bytes were found under.
 * @param bytes Any bytes at all; they are not kept.
 * @returns The record, or why there is none. Never throws.
 */
export function decodeRecord(
  id: string,
  bytes: Uint8Array,
): SessionRecord | Unusable {
  const problem = findProblem(id, bytes);
  if (problem !== undefined) return problem;
  const body = parseBody(bytes.subarray(ID_AT + id.length + 1));
  if (body === undefined) return "unreadable";
  const record = addLifetime(body, bytes);
  return findFault(record) === undefined ? record : "unreadable";
}

/**
 * Decodes the lifetime alone, without the cost of the data.
 *
 * @param id The session ID that the bytes were found under.
 * @param bytes Any bytes at all; they are not kept.
 * @returns The lifetime, or why there is no record. Never throws.
 */
export function decodeLifetime(
  id: string,
  bytes: Uint8Array,
): Lifetime | Unusable {
  return findProblem(id, bytes) ?? addLifetime({}, bytes);
}

/**
 * Tells whether bytes are, beyond doubt, a session of somebody else than a tag
 * is for. They may have been read without a lock, while they were written over:
 * what is not whole, not marked as published, or another session's, is in doubt.
 *
 * @param id The session ID that the bytes were found under.
 * @param bytes Any bytes at all; they are not kept.
 * @param tag Made by `userTag`.
 * @returns `false` when they may be his. Never throws.
 */
export function hasOtherTag(
  id: string,
  bytes: Uint8Array,
  tag: string,
): boolean {
  return bytes[MARK_AT] === PUBLISHED && !holdsAt(bytes, TAG_AT, tag) &&
    findProblem(id, bytes) === undefined;
}

function findProblem(id: string, bytes: Uint8Array): Unusable | undefined {
  if (bytes.length <= ID_AT || !holdsAt(bytes, 0, MAGIC)) return "unreadable";
  if (bytes[MARK_AT] !== PUBLISHED && bytes[MARK_AT] !== UNPUBLISHED) {
    return "unreadable";
  }
  if (bytes.length > LARGEST_RECORD) return "unreadable";
  if (parseHex(bytes) !== checksum(bytes)) return "unreadable";
  const end = ID_AT + id.length;
  return holdsAt(bytes, ID_AT, id) && bytes[end] === NEWLINE
    ? undefined
    : "foreign";
}

function parseBody(bytes: Uint8Array): SessionRecord | undefined {
  const text = decoder.decode(bytes);
  if (hasEscapedKey(text)) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  // The lifetime stands in the head, and nowhere else.
  const isBody = isPlainObject(body) && !("expiresAt" in body) &&
    !("idleTimeout" in body);
  return isBody ? body as unknown as SessionRecord : undefined;
}

function addLifetime<T extends Lifetime>(target: T, bytes: Uint8Array): T {
  const expiresAt = parseDigits(bytes, EXPIRES_AT);
  const idleTimeout = parseDigits(bytes, IDLE_TIMEOUT_AT);
  if (expiresAt === undefined && idleTimeout === undefined) return target;
  return Object.assign(
    target,
    expiresAt !== undefined && { expiresAt },
    idleTimeout !== undefined && { idleTimeout },
  );
}

/** Tells whether a key in a JSON text is escaped; it need not be JSON. */
export function hasEscapedKey(json: string): boolean {
  if (!json.includes("\\")) return false;
  for (let at = json.indexOf('"'); at >= 0; at = json.indexOf('"', at + 1)) {
    const start = at + 1;
    for (at = start; at < json.length && json[at] !== '"'; at++) {
      if (json[at] === "\\") at++;
    }
    if (!json.slice(start, at).includes("\\")) continue;
    let next = at + 1;
    while (WHITE_SPACE.includes(json.charAt(next) || "-")) next++;
    if (json[next] === ":") return true;
  }
  return false;
}

/** Judges the text, because what has a `toJSON` is not what it seems. */
function encodeObject(name: string, value: JsonObject): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw cannotEncode(`${name} is too deep or too large`, { cause: error });
  }
  if (text?.[0] === "{") return text;
  throw cannotEncode(`${name} is not an object`);
}

function cannotEncode(fault: string, options?: ErrorOptions): TypeError {
  return new TypeError(`Cannot encode a record: ${fault}`, options);
}

function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(COVERED_AT));
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function parseHex(bytes: Uint8Array): number | undefined {
  let value = 0;
  for (let at = CHECKSUM_AT; at < CHECKSUM_AT + 8; at++) {
    const byte = bytes[at]!;
    const isDigit = byte >= ZERO && byte <= 0x39;
    if (!isDigit && (byte < 0x61 || byte > 0x66)) return undefined;
    value = value * 16 + (byte - (isDigit ? ZERO : 0x57));
  }
  return value;
}

function digits(value: number | undefined): string {
  return value === undefined ? NONE : String(value).padStart(DIGITS, "0");
}

function parseDigits(bytes: Uint8Array, start: number): number | undefined {
  if (bytes[start] === DASH) return undefined;
  let value = 0;
  for (let at = start; at < start + DIGITS; at++) {
    value = value * 10 + (bytes[at]! - ZERO);
  }
  return value;
}

function holdsAt(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}
