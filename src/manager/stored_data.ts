/*
 * Between the record as it lies in the store, opened if it was sealed, and the
 * one that the application works on:
 *
 *   read    other types out of their texts · ended keys out · older data
 *           migrated · on load: checked
 *   write   checked · other types into texts · marked with the version ·
 *           not too large
 *
 * A commit does both inside one `update` of the store, around what the request
 * did: what is checked is what will be kept, whoever else has changed it. To
 * check the request's own view before could only refuse what would have fit.
 * What throws in there leaves the record as it was.
 */
import { SessionDataError, SessionTooLargeError } from "../core/errors.ts";
import {
  isPlainObject,
  type JsonObject,
  type SessionRecord,
} from "../core/record.ts";
import type { DataSettings, SessionInvalidEvent } from "./data_options.ts";
import { checkKey, nameKey } from "../session/json_value.ts";
import { dropExpired } from "../session/key_expiry.ts";
import { checkData } from "./standard_schema.ts";
import {
  fromTypedObject,
  isJsonOnly,
  toTypedObject,
} from "../session/value_format.ts";

/** What of a manager's settings matters here. */
export interface StoredDataSettings {
  readonly data: DataSettings;
  readonly onEvent: ((event: SessionInvalidEvent) => void) | undefined;
  readonly now: () => number;
}

const encoder = new TextEncoder();

/**
 * Reads a record for a request that opens its session.
 *
 * @param settings The manager's.
 * @param id The session ID.
 * @param record The record as the store had it, in clear.
 * @returns The record; `undefined` when its data cannot be used, which is told.
 * @throws {SessionDataError} If it cannot, and that is to be thrown.
 * @throws {TypeError} If the schema answers with a promise.
 */
export function loadData(
  settings: StoredDataSettings,
  id: string,
  record: SessionRecord,
): SessionRecord | undefined {
  const { data: { schema, onInvalid }, onEvent } = settings;
  try {
    const read = readData(settings, id, record);
    checkData(schema, read.data, id);
    return read;
  } catch (error) {
    if (!(error instanceof SessionDataError) || onInvalid === "throw") {
      throw error;
    }
    onEvent?.({ type: "invalid", sessionId: id, error });
    return undefined;
  }
}

/**
 * Reads a record for a commit.
 *
 * @param settings The manager's.
 * @param id The session ID.
 * @param record The record as the store had it, in clear.
 * @throws {SessionDataError} If its data cannot be used.
 */
export function readData(
  settings: StoredDataSettings,
  id: string,
  record: SessionRecord,
): SessionRecord {
  const typeless = readTypes(settings.data, id, record);
  const left = dropExpired(typeless, settings.now());
  const migrated = migrateData(settings.data, id, left);
  // It has no say on how long what it has taken away would have lived.
  return migrated === left ? left : dropExpired(migrated, settings.now());
}

/**
 * Makes of what a commit leaves the record to be stored, still in clear.
 *
 * @param settings The manager's.
 * @param id The session ID.
 * @param record The record as the commit leaves it.
 * @param before The record as the store had it, in clear, if it had one.
 * @throws {SessionDataError} If the data does not fit the schema.
 * @throws {SessionTooLargeError} If the record is too large, and was not as
 * large before.
 * @throws {TypeError} If a value is none that can be kept.
 */
export function writeData(
  settings: StoredDataSettings,
  id: string,
  record: SessionRecord,
  before?: SessionRecord,
): SessionRecord {
  const { schema, version, maxBytes } = settings.data;
  checkData(schema, record.data, id);
  const typed = writeTypes(settings.data, record);
  const stored = version === 0 ? typed : { ...typed, dataVersion: version };
  const bytes = countBytes(stored, maxBytes);
  // One that a lower limit has found so large may stay, and shrink.
  const limit = bytes > maxBytes && before !== undefined
    ? Math.max(maxBytes, countBytes(before, 0))
    : maxBytes;
  if (bytes > limit) throw new SessionTooLargeError(id, bytes, maxBytes);
  return stored;
}

function readTypes(
  { format }: DataSettings,
  id: string,
  record: SessionRecord,
): SessionRecord {
  if (record.typed === undefined && record.typedFlash === undefined) {
    return record;
  }
  const { typed, typedFlash, ...rest } = record;
  const [data, flash] = [
    fromTypedObject(format, { object: rest.data, typed: typed ?? [] }),
    fromTypedObject(format, {
      object: rest.flash ?? {},
      typed: typedFlash ?? [],
    }),
  ];
  if (data === undefined || flash === undefined) {
    const state = "it holds what only a codec, types, reads, and this one not";
    throw new SessionDataError(id, state);
  }
  return { ...rest, data, ...(rest.flash !== undefined && { flash }) };
}

function writeTypes(
  { format }: DataSettings,
  record: SessionRecord,
): SessionRecord {
  if (isJsonOnly(format)) return record;
  const data = toTypedObject(format, record.data);
  const flash = record.flash && toTypedObject(format, record.flash);
  const isTyped = flash !== undefined && flash.typed.length > 0;
  return {
    ...record,
    data: data.object,
    ...(data.typed.length > 0 && { typed: data.typed }),
    ...(flash !== undefined && { flash: flash.object }),
    ...(isTyped && { typedFlash: flash.typed }),
  };
}

function migrateData(
  { version, migrate, format }: DataSettings,
  id: string,
  record: SessionRecord,
): SessionRecord {
  const { dataVersion: from = 0, data: old } = record;
  if (from > version) {
    const state = `it is of version ${from}, newer than ${version}`;
    throw new SessionDataError(id, state);
  }
  const isOlder = from < version && Object.keys(old).length > 0;
  if (!isOlder || migrate === undefined) return record;
  try {
    const data = migrate(old, from);
    if (!isPlainObject(data) || data instanceof Promise) {
      throw new TypeError("Cannot migrate data: migrate gave no object");
    }
    for (const [key, value] of Object.entries(data)) {
      checkKey(key);
      format.check(value, nameKey(key));
    }
    return { ...record, data: data as JsonObject };
  } catch (cause) {
    const state = `migrate failed at version ${from}`;
    throw new SessionDataError(id, state, { cause });
  }
}

/**
 * Counts the bytes of what the application keeps. As a record that is small
 * enough is the rule, it is not told exactly how small.
 */
function countBytes(
  { data, flash, formTokens }: SessionRecord,
  limit: number,
): number {
  const text = JSON.stringify({ data, flash, formTokens });
  // One unit of UTF-16 is at most three bytes of UTF-8.
  return text.length * 3 <= limit ? text.length : encoder.encode(text).length;
}
