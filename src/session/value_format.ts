/*
 * How values become text and back: as JSON, and what JSON cannot hold by the
 * codec that the application gives for other types. A value is wholly the one or
 * wholly the other, and the same value gives the same text.
 *
 *   text      JSON, or `~` and the codec's text; no JSON begins so
 *   record    data    { "n": 1, "due": "<the codec's text>" }
 *             typed   ["due"]
 *
 * JSON values are stored as they are, so sessions from before the codec still
 * load. The keys of the codec's texts stand beside the data, where no value of
 * the application can imitate them. Such a text is usually JSON too, so a key
 * that it escapes is refused, for the reason that core/record.ts gives.
 */
import {
  hasEscapedKey,
  type JsonObject,
  type JsonValue,
} from "../core/record.ts";
import { checkJson, isJson } from "./json_value.ts";

/**
 * Writes values of more types than JSON has, and reads them again, as the
 * module `npm:devalue` does: `Date`, `Map`, `Set`, `bigint`, `URL`,
 * `Uint8Array`. It throws on what it cannot hold. It has to read what earlier
 * versions of it wrote: pin its version.
 */
export interface TypesCodec {
  /** Writes a value; the same value always as the same text. */
  stringify(value: unknown): string;
  /** Reads what was written. */
  parse(text: string): unknown;
}

/** How the values of an application become text and back. */
export interface ValueFormat {
  /**
   * Refuses what the format cannot hold.
   *
   * @param value Any value at all.
   * @param what What the value is, for the message.
   * @throws {TypeError} If the format cannot hold it.
   */
  check(value: unknown, what: string): void;
  /** Writes a value that `check` lets pass. */
  write(value: unknown): string;
  /** Reads what was written. */
  parse(text: string): unknown;
}

const TYPED = "~";

const JSON_FORMAT: ValueFormat = {
  check: checkJson,
  write: (value) => JSON.stringify(value),
  parse: (text) => JSON.parse(text),
};

/**
 * Makes the format of an application.
 *
 * @param types Its codec for other types, if it has one.
 */
export function valueFormat(types: TypesCodec | undefined): ValueFormat {
  if (types === undefined) return JSON_FORMAT;
  return {
    check: (value, what) => {
      if (!isJson(value)) checkTyped(types, value, what);
    },
    write: (value) =>
      isJson(value) ? JSON.stringify(value) : TYPED + types.stringify(value),
    parse: (text) =>
      text.startsWith(TYPED)
        ? types.parse(text.slice(TYPED.length))
        : JSON.parse(text),
  };
}

/** Tells whether a format holds JSON only, which a record holds as it is. */
export function isJsonOnly(format: ValueFormat): boolean {
  return format === JSON_FORMAT;
}

/**
 * Brings the values of an object into the form that a record has.
 *
 * @param format The format.
 * @param values The values, by key.
 * @returns The object, and the keys whose values are texts of the codec.
 * @throws {TypeError} If the format cannot hold one.
 */
export function toTypedObject(
  format: ValueFormat,
  values: JsonObject,
): { object: JsonObject; typed: string[] } {
  const typed: string[] = [];
  const entries = Object.entries(values).map(
    ([key, value]): [string, JsonValue] => {
      if (isJson(value)) return [key, value];
      typed.push(key);
      return [key, format.write(value).slice(TYPED.length)];
    },
  );
  return { object: Object.fromEntries(entries), typed };
}

/**
 * Brings an object of a record into the values that it stands for.
 *
 * @param format The format.
 * @param object The object.
 * @param typed The keys whose values are texts of the codec.
 * @returns The values by key, of more types than this says; `undefined` when
 * one cannot be read. Never throws.
 */
export function fromTypedObject(
  format: ValueFormat,
  object: JsonObject,
  typed: readonly string[],
): JsonObject | undefined {
  if (typed.length === 0) return object;
  if (isJsonOnly(format)) return undefined;
  const values = new Map<string, unknown>(Object.entries(object));
  for (const key of typed) {
    const value = readTyped(format, values.get(key));
    if (value === undefined) return undefined;
    values.set(key, value);
  }
  return Object.fromEntries(values) as JsonObject;
}

function readTyped(format: ValueFormat, text: unknown): unknown {
  if (typeof text !== "string" || hasEscapedKey(text)) return undefined;
  try {
    return format.parse(TYPED + text);
  } catch {
    // Not passed on: the error may quote the text, which must not be logged.
    return undefined;
  }
}

/** Also reads what the codec writes: what it cannot read would be lost later. */
function checkTyped(types: TypesCodec, value: unknown, what: string): void {
  // A codec may write the one, but here it means a missing value; with a codec
  // too the other is a mistake.
  if (value === undefined || value instanceof Promise) checkJson(value, what);
  let isHeld = false;
  try {
    const text: unknown = types.stringify(value);
    isHeld = typeof text === "string" && !hasEscapedKey(text) &&
      types.parse(text) !== undefined;
  } catch {
    // Not passed on: the error may hold the value, which must not be logged.
  }
  if (isHeld) return;
  throw new TypeError(
    `Cannot keep ${what} in a session: neither JSON nor the codec, types, can hold it`,
  );
}
