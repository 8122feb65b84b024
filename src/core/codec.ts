/*
 * The stored format, version 1: one line of ASCII at fixed places, then JSON.
 *
 *   0         10               28       37               54               71       80
 *   latchkey/1paaaaaaaaaaaaaaaa cccccccc eeeeeeeeeeeeeeee iiiiiiiiiiiiiiii uuuuuuuu <session ID>\n
 *   {"createdAt":…,"data":{…}}\n
 *
 *   p  the flag: a space, published; `?`, not yet published, or its writer
 *      crashed before flagging it; see directory/atomic_file.ts
 *   a  the last access, 16 decimal digits, 2 ** 53 - 1 at most
 *   c  CRC-32 of all that follows it (from 36 to the end), 8 lower-case hex
 *   e  `expiresAt`, 16 decimal digits, or 16 times `-` for "never"
 *   i  `idleTimeout`, the same
 *   u  the tag of `user`, see `userTag`
 *
 * Invariants:
 *
 * - Last access, lifetime and tag are at a fixed place, so a touch, a cleanup
 *   and a search for a user read no JSON, and a touch is one write.
 * - The last access belongs to the file: a copy, a backup, a restore has that of
 *   the session, whatever times they give to the file.
 * - The file carries its own ID: a file that a backup or a power loss put
 *   behind another name does not give one visitor the session of another.
 * - The checksum covers all but the flag and the last access, which change behind
 *   a name. Digits that are no number make the record unreadable.
 * - What begins with another version is of a later format, and left alone: during
 *   a deploy a newer version may have written it.
 * - What is longer than LARGEST_RECORD or has a member of the wrong type is
 *   unreadable.
 *
 * Not promised: protection against a process that may write the directory. The
 * checksum finds accidents, not forgeries.
 */
import { crc32 } from "node:zlib";
import {
  cannotEncode,
  LARGEST_RECORD,
  type Lifetime,
  parseJson,
  type SessionRecord,
  toJson,
  type Unusable as RecordUnusable,
  validateRecord,
} from "./record.ts";

/** Where the flag is: this and the last access change behind a name. */
export const FLAG_AT = 10;
/** The flag of a record that is, or once was, what its name led to. */
export const PUBLISHED = 0x20;
/** The flag of a record of which that is not known. */
export const UNPUBLISHED = 0x3f;

/** Where the digits of the last access are. */
export const ACCESS_AT = 11;

/** No head is longer, whatever the session ID. */
export const LONGEST_HEAD = 160;

/** How many characters the tag of a user has. */
export const TAG_LENGTH = 8;

const NAME = "latchkey/";
const MAGIC = `${NAME}1`;
const SPACE_AT = 27;
const CHECKSUM_AT = 28;
const COVERED_AT = 36;
const EXPIRES_AT = 37;
const IDLE_TIMEOUT_AT = 54;
const TAG_AT = 71;
const ID_AT = 80;
const DIGITS = 16;
const NONE = "-".repeat(DIGITS);
const NO_USER = "-".repeat(TAG_LENGTH);
const ZERO = 0x30;
const NINE = 0x39;
const SPACE = 0x20;
const DASH = 0x2d;
const NEWLINE = 0x0a;
/** The lifetime stands in the head, not in the body. */
const IN_THE_HEAD: Lifetime = {};

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Why bytes hold no record of an ID: `"unreadable"`, they are not whole;
 * `"newer"`, they are of a later format; `"foreign"`, they are whole and of
 * another session.
 */
export type Unusable = RecordUnusable | "foreign";

/**
 * Encodes a record for the medium.
 *
 * @param id The session ID that the bytes are for.
 * @param record What to keep.
 * @param lastAccess When it was last accessed, in whole ms since the epoch; what
 * is known later is filled in by {@linkcode putLastAccess}.
 * @returns The bytes, whole and checksummed.
 * @throws {TypeError} If a member of the record is invalid, or it is too large.
 */
export function encodeRecord(
  id: string,
  record: SessionRecord,
  lastAccess = 0,
): Uint8Array<ArrayBuffer> {
  const body = toJson(record, IN_THE_HEAD);
  const { expiresAt, idleTimeout, user } = record;
  const lifetime = `${digits(expiresAt)} ${digits(idleTimeout)}`;
  const bytes = encoder.encode(
    `${MAGIC} ${digits(lastAccess)} 00000000 ${lifetime} ${
      userTag(user)
    } ${id}\n${body}\n`,
  );
  if (bytes.length > LARGEST_RECORD) throw cannotEncode("it is too large");
  putHex(checksum(bytes), bytes);
  return bytes;
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
  if (typeof body === "string") return body;
  const record = addLifetime(body, bytes);
  return validateRecord(record) === undefined ? record : "unreadable";
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
 * Writes a last access as the head of a record has it, at {@linkcode ACCESS_AT}.
 *
 * @param lastAccess In whole milliseconds since the epoch.
 */
export function encodeLastAccess(
  lastAccess: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(DIGITS);
  putDigits(lastAccess, bytes, 0);
  return bytes;
}

/**
 * Fills the last access into a record.
 *
 * @param bytes A record, encoded.
 * @param lastAccess In whole milliseconds since the epoch.
 */
export function putLastAccess(bytes: Uint8Array, lastAccess: number): void {
  putDigits(lastAccess, bytes, ACCESS_AT);
}

function putDigits(value: number, bytes: Uint8Array, start: number): void {
  const half = DIGITS / 2;
  const high = Math.floor(value / 1e8);
  putHalf(high, bytes, start + half);
  putHalf(value - high * 1e8, bytes, start + DIGITS);
}

/** Eight digits fit into the integers that are fast. */
function putHalf(value: number, bytes: Uint8Array, end: number): void {
  for (let at = end - 1, rest = value; at >= end - DIGITS / 2; at--) {
    bytes[at] = ZERO + rest % 10;
    rest = (rest / 10) | 0;
  }
}

/**
 * Reads the last access off a record.
 *
 * @param bytes Any bytes at all; they are not kept.
 * @returns In ms since the epoch; `undefined` when there is no number, which no
 * record has.
 */
export function readLastAccess(bytes: Uint8Array): number | undefined {
  if (bytes.length < ACCESS_AT + DIGITS) return undefined;
  const high = parseHalf(bytes, ACCESS_AT);
  const value = high * 1e8 + parseHalf(bytes, ACCESS_AT + DIGITS / 2);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `NaN` for anything but eight digits. */
function parseHalf(bytes: Uint8Array, start: number): number {
  let value = 0;
  for (let at = start; at < start + DIGITS / 2; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * Tells whether bytes are certainly a session with another tag. They may have
 * been read without a lock, while they were written over: what is not whole, not
 * flagged as published, or of another session, is not certain.
 *
 * @param id The session ID that the bytes were found under.
 * @param bytes Any bytes at all; they are not kept.
 * @param tag Made by `userTag`.
 * @returns `false` when they may have this tag. Never throws.
 */
export function hasOtherTag(
  id: string,
  bytes: Uint8Array,
  tag: string,
): boolean {
  return bytes[FLAG_AT] === PUBLISHED && !holdsAt(bytes, TAG_AT, tag) &&
    findProblem(id, bytes) === undefined;
}

/**
 * Makes the tag of a user, by which a search for the sessions of one user
 * passes over nearly all others unopened. Two users may have the same tag, by
 * accident or on purpose: it is a hint where to look, and proves nothing.
 *
 * @param user The user who is signed in; `undefined` for none.
 * @returns CRC-32 of the name, 8 lower-case hex characters, or as many `-`.
 */
export function userTag(user: string | undefined): string {
  if (user === undefined) return NO_USER;
  return crc32(encoder.encode(user)).toString(16).padStart(TAG_LENGTH, "0");
}

/** Tells whether a record, encoded, has the tag of a user. */
export function isTagged(bytes: Uint8Array): boolean {
  return bytes[TAG_AT] !== DASH;
}

/**
 * Reads the tag of the user off a record.
 *
 * @param bytes A whole record, encoded; they are not kept.
 * @returns Made by `userTag`; `undefined` when no user is signed in.
 */
export function readTag(bytes: Uint8Array): string | undefined {
  if (!isTagged(bytes)) return undefined;
  return String.fromCharCode(...bytes.subarray(TAG_AT, TAG_AT + TAG_LENGTH));
}

/**
 * Reads the tag of the user off the head of what a medium kept. The head counts
 * also where the rest is damaged: a wrong tag only leads a search astray.
 *
 * @param id The session ID that the bytes were found under.
 * @param head At least {@linkcode LONGEST_HEAD} bytes, or all that there are;
 * they are not kept.
 * @returns `undefined` also when it is not the head of this session. Never throws.
 */
export function decodeTag(id: string, head: Uint8Array): string | undefined {
  const isOurs = holdsAt(head, 0, MAGIC) && !isNewer(head);
  return isOurs && isSessionAt(id, head) ? readTag(head) : undefined;
}

/**
 * Tells whether bytes say that they are of a later format than this one.
 *
 * @param bytes The beginning of a file, or all of it; they are not kept.
 */
export function isNewer(bytes: Uint8Array): boolean {
  if (!holdsAt(bytes, 0, NAME)) return false;
  let end = NAME.length;
  while (bytes[end]! >= ZERO && bytes[end]! <= NINE) end++;
  const isOurs = end === MAGIC.length && holdsAt(bytes, 0, MAGIC);
  return end > NAME.length && !isOurs;
}

function findProblem(id: string, bytes: Uint8Array): Unusable | undefined {
  const flag = bytes[FLAG_AT];
  const isFlag = flag === PUBLISHED || flag === UNPUBLISHED;
  if (!isFlag || bytes.length <= ID_AT || !holdsAt(bytes, 0, MAGIC)) {
    return isNewer(bytes) ? "newer" : "unreadable";
  }
  if (bytes.length > LARGEST_RECORD) return "unreadable";
  if (readLastAccess(bytes) === undefined) return "unreadable";
  if (bytes[SPACE_AT] !== SPACE) return "unreadable";
  if (parseHex(bytes) !== checksum(bytes)) return "unreadable";
  return isSessionAt(id, bytes) ? undefined : "foreign";
}

function isSessionAt(id: string, bytes: Uint8Array): boolean {
  return holdsAt(bytes, ID_AT, id) && bytes[ID_AT + id.length] === NEWLINE;
}

function parseBody(bytes: Uint8Array): SessionRecord | Unusable {
  const body = parseJson(decoder.decode(bytes));
  if (typeof body === "string") return body;
  // The lifetime stands in the head, and nowhere else.
  const isBody = !("expiresAt" in body) && !("idleTimeout" in body);
  return isBody ? body : "unreadable";
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

function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(COVERED_AT));
}

function putHex(value: number, bytes: Uint8Array): void {
  for (let at = CHECKSUM_AT + 7; at >= CHECKSUM_AT; at--, value >>>= 4) {
    const digit = value & 0xf;
    bytes[at] = digit + (digit < 10 ? ZERO : 0x57);
  }
}

function parseHex(bytes: Uint8Array): number | undefined {
  let value = 0;
  for (let at = CHECKSUM_AT; at < CHECKSUM_AT + 8; at++) {
    const byte = bytes[at]!;
    const isDigit = byte >= ZERO && byte <= NINE;
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
