/*
 * The stored format, version 1: one line of ASCII at fixed places, then JSON.
 *
 *   0          11       20               37               54
 *   latchkey/1 cccccccc eeeeeeeeeeeeeeee iiiiiiiiiiiiiiii <session ID>\n
 *   {"createdAt":…,"data":{…}}\n
 *
 *   c  CRC-32 of all that follows it (from 19 to the end), 8 lower-case hex
 *   e  `expiresAt`, 16 decimal digits, or 16 times `-` for none
 *   i  `idleTimeout`, the same
 *
 * Invariants: the lifetime is at a fixed place, so that a touch and the
 * cleaner need no JSON; the file carries its own ID, so that one which a
 * backup or a power loss put behind another name gives nobody somebody else's
 * session; the checksum covers both. Bytes of any other version are unreadable.
 *
 * Not promised: protection against somebody who may write the directory. The
 * checksum finds accidents, not forgeries.
 */
import { crc32 } from "node:zlib";
import type { JsonObject, Lifetime, SessionRecord } from "./record.ts";

const MAGIC = "latchkey/1 ";
const CHECKSUM_AT = 11;
const COVERED_AT = 19;
const EXPIRES_AT = 20;
const IDLE_TIMEOUT_AT = 37;
const ID_AT = 54;
const DIGITS = 16;
const NONE = "-".repeat(DIGITS);
const ZERO = 0x30;
const DASH = 0x2d;
const NEWLINE = 0x0a;

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
 * @throws {TypeError} If the record is not of the shape of one.
 */
export function encodeRecord(
  id: string,
  record: SessionRecord,
): Uint8Array<ArrayBuffer> {
  checkTimes(record);
  const { createdAt, expiresAt, idleTimeout, secretHash, user } = record;
  const { flash, formTokens } = record;
  const data = encodeData(record.data);
  const rest = JSON.stringify(
    { createdAt, secretHash, user, flash, formTokens },
  ).slice(1, -1);
  const lifetime = `${digits(expiresAt)} ${digits(idleTimeout)}`;
  const bytes = encoder.encode(
    `${MAGIC}00000000 ${lifetime} ${id}\n{${rest},"data":${data}}\n`,
  );
  encoder.encodeInto(hex(checksum(bytes)), bytes.subarray(CHECKSUM_AT));
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
  return body === undefined ? "unreadable" : addLifetime(body, bytes);
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

function findProblem(id: string, bytes: Uint8Array): Unusable | undefined {
  if (bytes.length <= ID_AT || !holdsAt(bytes, 0, MAGIC)) return "unreadable";
  if (parseHex(bytes) !== checksum(bytes)) return "unreadable";
  const end = ID_AT + id.length;
  return holdsAt(bytes, ID_AT, id) && bytes[end] === NEWLINE
    ? undefined
    : "foreign";
}

function parseBody(bytes: Uint8Array): SessionRecord | undefined {
  let body: unknown;
  try {
    body = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isBody(body) ? body : undefined;
}

function isBody(body: unknown): body is SessionRecord {
  if (typeof body !== "object" || body === null) return false;
  const { data, createdAt } = body as Partial<SessionRecord>;
  return typeof createdAt === "number" && isPlainObject(data);
}

function isPlainObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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

/** Judges the text, because what has a `toJSON` is not what it seems. */
function encodeData(data: JsonObject): string {
  const text: string | undefined = JSON.stringify(data);
  if (text?.[0] === "{") return text;
  throw new TypeError("Cannot encode a record: data is not an object");
}

function checkTimes(record: SessionRecord): void {
  checkTime("createdAt", record.createdAt);
  if (record.expiresAt !== undefined) checkTime("expiresAt", record.expiresAt);
  if (record.idleTimeout !== undefined) {
    checkTime("idleTimeout", record.idleTimeout);
  }
}

function checkTime(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new TypeError(
      `Cannot encode a record: ${name} is not whole milliseconds from 0 up`,
    );
  }
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
