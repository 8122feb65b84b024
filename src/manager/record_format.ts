/*
 * Between the record as it lies in the store, opened if it was sealed, and the
 * one that the application works on:
 *
 *   read    other types out of their texts · expired keys removed · older data
 *           migrated · on load: checked against the schema
 *   write   checked against the schema · other types into texts · the version
 *           noted · not too large · sealed
 *
 * A commit does both inside one `update` of the store, around what the request
 * did: what is checked is what will be kept, whatever other requests have
 * changed. To check the request's own view before could only refuse what would
 * have fit. An error in there leaves the record as it was.
 */
import { SessionDataError, SessionTooLargeError } from "../core/errors.ts";
import {
  isPlainObject,
  type JsonObject,
  type SessionRecord,
  unknownMembers,
} from "../core/record.ts";
import type { Token } from "../core/token.ts";
import { checkKey, nameKey } from "../session/json_value.ts";
import { dropExpired } from "../session/lifetime.ts";
import {
  fromTypedObject,
  isJsonOnly,
  toTypedObject,
  type ValueFormat,
} from "../session/value_format.ts";
import type { DataSettings } from "./data_options.ts";
import { openRecord, type Sealing, sealRecord } from "./sealed_record.ts";
import { checkData } from "./standard_schema.ts";

const encoder = new TextEncoder();

/** What a manager does to records; what its options do not ask for is not run. */
export class RecordFormat {
  readonly #settings: DataSettings;
  readonly #sealing: Sealing;
  readonly #now: () => number;

  constructor(settings: DataSettings, sealing: Sealing, now: () => number) {
    this.#settings = settings;
    this.#sealing = sealing;
    this.#now = now;
  }

  /**
   * Opens a record that may be sealed.
   *
   * @returns The record in clear, and whether it is to be sealed anew, by the
   * first secret of the server; `undefined` when it is sealed for another
   * secret, or by another server.
   */
  unseal(
    record: SessionRecord,
    owner: Token,
  ): { record: SessionRecord; isSealOld: boolean } | undefined {
    if (record.sealed === undefined) return { record, isSealOld: false };
    const opened = openRecord(record, owner, this.#sealing);
    if (opened === undefined) return undefined;
    const isSealOld = opened.by > 0 && this.#sealing.isOn;
    return { record: opened.record, isSealOld };
  }

  /** Seals a record, where the manager does so. */
  seal(record: SessionRecord, owner: Token): SessionRecord {
    const { isOn } = this.#sealing;
    return isOn ? sealRecord(record, owner, this.#sealing) : record;
  }

  /**
   * Reads a record for a request that opens its session.
   *
   * @param id The session ID.
   * @param record The record as the store had it, in clear.
   * @throws {SessionDataError} If its data cannot be used.
   * @throws {TypeError} If the schema answers with a promise.
   */
  load(id: string, record: SessionRecord): SessionRecord {
    const { schema } = this.#settings;
    const read = this.read(id, record);
    if (schema !== undefined) checkData(schema, read.data, id);
    return read;
  }

  /**
   * Reads a record for a commit.
   *
   * @param id The session ID.
   * @param record The record as the store had it, in clear.
   * @throws {SessionDataError} If its data cannot be used.
   */
  read(id: string, record: SessionRecord): SessionRecord {
    const { typed, typedFlash, keyExpiry, dataVersion = 0 } = record;
    const isAsItIs = typed === undefined && typedFlash === undefined &&
      keyExpiry === undefined && dataVersion === this.#settings.version;
    if (isAsItIs) return record;
    const now = this.#now();
    const live = dropExpired(readTypes(this.#settings, id, record), now);
    const migrated = migrateData(this.#settings, id, live);
    // For keys that `migrate` has removed.
    return migrated === live ? live : dropExpired(migrated, now);
  }

  /**
   * Makes the record to be stored.
   *
   * @param owner The session ID and the secret that will open the record.
   * @param record The record as the commit leaves it.
   * @param before The record as the store had it, in clear, if it had one.
   * @throws {SessionDataError} If the data does not fit the schema.
   * @throws {SessionTooLargeError} If the record is too large, and was not as
   * large before.
   * @throws {TypeError} If a value cannot be kept.
   */
  write(
    owner: Token,
    record: SessionRecord,
    before?: SessionRecord,
  ): SessionRecord {
    const { schema, version, format, maxBytes } = this.#settings;
    if (schema !== undefined) checkData(schema, record.data, owner.id);
    const typed = isJsonOnly(format) ? record : writeTypes(format, record);
    const stored = version === 0 ? typed : { ...typed, dataVersion: version };
    if (maxBytes !== Infinity) checkSize(owner.id, stored, before, maxBytes);
    return this.seal(stored, owner);
  }
}

function readTypes(
  { format }: DataSettings,
  id: string,
  record: SessionRecord,
): SessionRecord {
  if (record.typed === undefined && record.typedFlash === undefined) {
    return record;
  }
  const { typed = [], typedFlash = [], ...rest } = record;
  const data = fromTypedObject(format, rest.data, typed);
  const flash = fromTypedObject(format, rest.flash ?? {}, typedFlash);
  if (data === undefined || flash === undefined) {
    const state = "it holds values that only another codec, types, can read";
    throw new SessionDataError(id, state);
  }
  return { ...rest, data, ...(rest.flash !== undefined && { flash }) };
}

function writeTypes(format: ValueFormat, record: SessionRecord): SessionRecord {
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
      throw new TypeError("Cannot migrate data: migrate returned no object");
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

function checkSize(
  id: string,
  record: SessionRecord,
  before: SessionRecord | undefined,
  maxBytes: number,
): void {
  const bytes = countBytes(record, maxBytes);
  if (bytes <= maxBytes) return;
  // A record from before a lower limit may stay, and shrink.
  const limit = before === undefined ? maxBytes : countBytes(before, 0);
  if (bytes > limit) throw new SessionTooLargeError(id, bytes, maxBytes);
}

/** Counts the bytes of what the application keeps; up to the limit not exactly. */
function countBytes(
  record: SessionRecord,
  limit: number,
): number {
  const { data, flash, formTokens } = record;
  const unknown = unknownMembers(record);
  const text = JSON.stringify({ data, flash, formTokens, ...unknown });
  // One unit of UTF-16 is at most three bytes of UTF-8.
  return text.length * 3 <= limit ? text.length : encoder.encode(text).length;
}
