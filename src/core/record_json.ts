/*
 * A record as JSON, which every medium keeps in its own way.
 *
 * A key that JSON would have to escape is refused: V8's `JSON.parse` may take
 * it for another one that any code of the process has parsed before
 * (https://github.com/nodejs/node/issues/63785). Values are not concerned.
 */
import { isPlainObject, validateRecord } from "./find_fault.ts";
import type { JsonObject, Lifetime, SessionRecord } from "./record.ts";

/**
 * The most bytes of a record, 16 MiB. More is refused when it is written and
 * unreadable when it is found, so a stray file costs no more memory than this,
 * whatever its size.
 */
export const LARGEST_RECORD: number = 16 * 1024 * 1024;

// deno-lint-ignore no-control-regex
const ESCAPED = /["\\\u0000-\u001f\p{Surrogate}]/u;
/** Most keys; a class of ASCII is found faster than one of Unicode. */
const PLAIN = /^[\w.:-]*$/;
const WHITE_SPACE = " \t\n\r";

/**
 * Writes a record as JSON.
 *
 * @param record What to keep.
 * @param lifetime What the JSON is to say of its lifetime.
 * @throws {TypeError} If the record is not of the shape of one, or too large.
 */
export function toJson(
  record: SessionRecord,
  lifetime: Lifetime = record,
): string {
  const fault = validateRecord(record);
  if (fault !== undefined) throw cannotEncode(fault);
  const { expiresAt, idleTimeout } = lifetime;
  const { data, flash, createdAt, secretHash, user, formTokens } = record;
  const { untilBrowserCloses, cookieSentAt, rotatedAt } = record;
  const { typed, typedFlash, keyExpiry, dataVersion } = record;
  const { userGeneration, label, commits, previous, sealed } = record;
  const rest = JSON.stringify({
    createdAt,
    expiresAt,
    idleTimeout,
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
    keyExpiry,
    dataVersion,
    commits,
  });
  const objects = (flash ? `"flash":${encodeObject("flash", flash)},` : "") +
    `"data":${encodeObject("data", data)}`;
  const json = `${rest.slice(0, -1)},${objects}}`;
  if (hasEscapedKey(json)) {
    throw cannotEncode("JSON would have to escape a key");
  }
  if (json.length > LARGEST_RECORD) throw cannotEncode("it is too large");
  return json;
}

/**
 * Reads a record from JSON, its members unchecked.
 *
 * @param json Any text at all.
 * @returns `undefined` when it is no JSON object, or a key may be misread.
 */
export function parseJson(json: string): SessionRecord | undefined {
  if (hasEscapedKey(json)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isPlainObject(value) ? value as unknown as SessionRecord : undefined;
}

/**
 * Reads a record from JSON.
 *
 * @param json Any text at all.
 * @returns The record, or `undefined` when it is none. Never throws.
 */
export function fromJson(json: string): SessionRecord | undefined {
  const record = parseJson(json);
  if (record === undefined) return undefined;
  return validateRecord(record) === undefined ? record : undefined;
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

/**
 * Makes the error of a record that cannot be kept.
 *
 * @param fault What is wrong with it.
 * @param options Carries the cause.
 */
export function cannotEncode(fault: string, options?: ErrorOptions): TypeError {
  return new TypeError(`Cannot encode a record: ${fault}`, options);
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
