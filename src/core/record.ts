/*
 * A record, what its members may hold, and its form as JSON, which every medium
 * keeps in its own way.
 *
 * A key that JSON would have to escape is refused: V8's `JSON.parse` may take
 * it for another one that any code of the process has parsed before
 * (https://github.com/nodejs/node/issues/63785). Values are not concerned.
 *
 * A later version of this package may add members: this one keeps those that it
 * does not know, as they came. Where their loss or survival would matter, it
 * writes another `format`, as the first member: a record of any but 1, which is
 * what no `format` means, is not read, and not written over either.
 */
import { checkNumber } from "./checks.ts";

/** A value that JSON holds without loss. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | JsonObject;

/** An object whose values JSON holds without loss. */
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * What a store keeps for a session ID: plain, readonly JSON. A store on its
 * own works with `data` and `createdAt` alone; the rest is the manager's, kept
 * beside `data` so that no key of the application can collide with it.
 *
 * The last access is not here: the store keeps it outside the record, so that
 * touching a session never rewrites it.
 */
export interface SessionRecord {
  /** What the application keeps. */
  readonly data: JsonObject;
  /** When the session began, in whole milliseconds since the epoch. */
  readonly createdAt: number;
  /** When it expires at the latest, in whole milliseconds since the epoch. */
  readonly expiresAt?: number;
  /** How long after the last access it expires, in whole milliseconds. */
  readonly idleTimeout?: number;
  /** How long after the last login it ends at the latest, in whole ms. */
  readonly absoluteTimeout?: number;
  /** The SHA-256 of the cookie's secret, hex. */
  readonly secretHash?: string;
  /** When it got this secret, where it gets another from time to time. */
  readonly rotatedAt?: number;
  /** The secret before, for requests that still carry it. */
  readonly previous?: {
    /** Its SHA-256, hex. */
    readonly hash: string;
    /**
     * Until when it is good, in whole milliseconds since the epoch; missing
     * until the new secret was brought.
     */
    readonly until?: number;
    /**
     * The new secret, encrypted under a key that comes from this one; missing
     * once this one is no longer good.
     */
    readonly sealed?: string;
  };
  /** `data`, `flash` and `formTokens`, encrypted; they are empty then. */
  readonly sealed?: string;
  /** The user who is signed in. */
  readonly user?: string;
  /** When that user's password was last checked, in whole ms since the epoch. */
  readonly signedInAt?: number;
  /** Since which revocation of that user's sessions; see `core/revocation.ts`. */
  readonly userGeneration?: number;
  /** Whose password is being checked, and since which revocation. */
  readonly login?: { readonly user: string; readonly generation: number };
  /** What a list of the user's sessions calls this one. */
  readonly label?: string;
  /** Whether the browser is to forget the cookie when it closes. */
  readonly untilBrowserCloses?: boolean;
  /** The browser may register a key of its device, which it does once. */
  readonly deviceOffer?: {
    /** The SHA-256 of the secret in the offer, hex. */
    readonly hash: string;
    /** Until when, in whole ms since the epoch. */
    readonly until: number;
  };
  /** The key of the browser's device, without which the cookie lives minutes. */
  readonly device?: {
    /** The public key as a JWK, and its `alg`. */
    readonly key: { readonly [member: string]: string };
    /** What the next challenges are made of; each proof replaces it. */
    readonly nonce: string;
    /** When the browser last proved that it has the key, in whole ms. */
    readonly provenAt: number;
    /** Until when the secret is good without another proof, in whole ms. */
    readonly until: number;
  };
  /** When the browser was last sent its cookie, in whole ms since the epoch. */
  readonly cookieSentAt?: number;
  /** How many logins and `regenerate`s have replaced its secret, if any has. */
  readonly renewals?: number;
  /** How many commits have changed it since it began, where any has. */
  readonly commits?: number;
  /** What one request leaves for the next to read once. */
  readonly flash?: JsonObject;
  /** Which commit left a key of `flash`, where the first one did not. */
  readonly flashLeft?: { readonly [key: string]: number };
  /** Form tokens handed out and not yet used, oldest first. */
  readonly formTokens?: readonly string[];
  /** The keys of `data` whose value is a text of the codec for other types. */
  readonly typed?: readonly string[];
  /** The keys of `flash` whose value is one. */
  readonly typedFlash?: readonly string[];
  /** When keys of `data` expire, in whole milliseconds since the epoch. */
  readonly keyExpiry?: { readonly [key: string]: number };
  /** The version of the application's `data`, from 1; `undefined` for 0. */
  readonly dataVersion?: number;
  /** Whether it is on its way to another store, and not changed here any more. */
  readonly isMoving?: boolean;
}

/**
 * Why a text holds no record: it is damaged, or of a later format.
 */
export type Unusable = "unreadable" | "newer";

/** What a member of a record holds. */
interface Kind {
  /** Tells whether a value is of the kind. */
  readonly is: (value: unknown) => boolean;
  /** What a value is that is not, for a message. */
  readonly otherwise: string;
}

const TIME: Kind = {
  is: isWhole,
  otherwise: "is not whole milliseconds from 0 up",
};
const COUNT: Kind = {
  is: isWhole,
  otherwise: "is not a whole number from 0 up",
};
const TEXT: Kind = {
  is: (value) => typeof value === "string",
  otherwise: "is not a string",
};
const FLAG: Kind = {
  is: (value) => typeof value === "boolean",
  otherwise: "is neither true nor false",
};
const LIST: Kind = {
  is: (value) => Array.isArray(value) && value.every(TEXT.is),
  otherwise: "is not a list of strings",
};
/** What has a `toJSON` is not what it seems. */
const OBJECT: Kind = {
  is: (value) => isPlainObject(value) && typeof value.toJSON !== "function",
  otherwise: "is not an object",
};
const TIMES: Kind = {
  is: (value) => isPlainObject(value) && Object.values(value).every(isWhole),
  otherwise: "is not an object of times",
};
const LOGIN: Kind = {
  is: (value) =>
    isPlainObject(value) && TEXT.is(value.user) && isWhole(value.generation),
  otherwise: "is not a login that began",
};
const COUNTS: Kind = { is: TIMES.is, otherwise: "is not an object of counts" };
const PREVIOUS: Kind = {
  is: (value) =>
    isPlainObject(value) && TEXT.is(value.hash) &&
    (value.until === undefined || isWhole(value.until)) &&
    (value.sealed === undefined || TEXT.is(value.sealed)),
  otherwise: "is not a secret that was replaced",
};

const DEVICE_OFFER: Kind = {
  is: (value) =>
    isPlainObject(value) && TEXT.is(value.hash) && isWhole(value.until),
  otherwise: "is not an offer to register a key",
};
const DEVICE: Kind = {
  is: (value) =>
    isPlainObject(value) && isPlainObject(value.key) &&
    Object.values(value.key).every(TEXT.is) && TEXT.is(value.nonce) &&
    isWhole(value.provenAt) && isWhole(value.until),
  otherwise: "is not a device that a session is bound to",
};

/** The members of a record. */
const MEMBERS: { readonly [Name in keyof Required<SessionRecord>]: Kind } = {
  createdAt: TIME,
  expiresAt: TIME,
  idleTimeout: TIME,
  absoluteTimeout: TIME,
  secretHash: TEXT,
  user: TEXT,
  signedInAt: TIME,
  userGeneration: COUNT,
  login: LOGIN,
  label: TEXT,
  formTokens: LIST,
  untilBrowserCloses: FLAG,
  cookieSentAt: TIME,
  deviceOffer: DEVICE_OFFER,
  device: DEVICE,
  rotatedAt: TIME,
  previous: PREVIOUS,
  sealed: TEXT,
  typed: LIST,
  typedFlash: LIST,
  keyExpiry: TIMES,
  dataVersion: COUNT,
  renewals: COUNT,
  commits: COUNT,
  isMoving: FLAG,
  flashLeft: COUNTS,
  flash: OBJECT,
  data: OBJECT,
};
/** By name; a `Map`, because a record may have a member named `toString`. */
const KINDS: ReadonlyMap<string, Kind> = new Map(Object.entries(MEMBERS));

/**
 * The most bytes of a record, 16 MiB. More is refused when it is written and
 * unreadable when it is found, so a stray file costs no more memory than this,
 * whatever its size.
 */
export const LARGEST_RECORD: number = 16 * 1024 * 1024;

/** The format that this version reads and writes. */
const FORMAT = 1;

// deno-lint-ignore no-control-regex
const ESCAPED = /["\\\u0000-\u001f\p{Surrogate}]/u;
/** Most keys; a class of ASCII is found faster than one of Unicode. */
const PLAIN = /^[\w.:-]*$/;
const WHITE_SPACE = " \t\n\r";

/**
 * Tells what keeps a value from being the record that its type says it is.
 *
 * @param record Any object at all; members that are not in the table may hold
 * anything.
 * @returns What is wrong with it, for a message; `undefined` when nothing is.
 */
export function validateRecord(
  record: SessionRecord,
): string | undefined {
  if (record.createdAt === undefined) return `createdAt ${TIME.otherwise}`;
  if (record.data === undefined) return `data ${OBJECT.otherwise}`;
  for (const name in record) {
    const kind = KINDS.get(name);
    const value = record[name as keyof SessionRecord];
    if (kind !== undefined && value !== undefined && !kind.is(value)) {
      return `${name} ${kind.otherwise}`;
    }
  }
  return undefined;
}

/** Tells whether a record says that it is of another format than this one. */
function isNewer(record: object): boolean {
  return "format" in record && record.format !== FORMAT;
}

/**
 * Returns the members of a record that this version does not know.
 *
 * @param record A record of this format.
 * @returns `undefined` when there is none.
 */
export function unknownMembers(record: SessionRecord): object | undefined {
  let found: Record<string, unknown> | undefined;
  for (const name in record) {
    if (KINDS.has(name)) continue;
    found ??= {};
    found[name] = record[name as keyof SessionRecord];
  }
  return found;
}

/** Returns a record without the members that this version does not know. */
export function knownMembers(record: SessionRecord): SessionRecord {
  return Object.fromEntries(
    Object.entries(record).filter(([name]) => KINDS.has(name)),
  ) as unknown as SessionRecord;
}

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
  if (isNewer(record)) throw cannotEncode(`format is not ${FORMAT}`);
  const { expiresAt, idleTimeout } = lifetime;
  const { createdAt, ...rest } = record;
  let json: string;
  try {
    json = JSON.stringify({ createdAt, ...rest, expiresAt, idleTimeout });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw cannotEncode("it is too deep or too large", { cause: error });
  }
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
 * @returns The record, or why there is none: what is not a JSON object, or has a
 * key that may be misread, is unreadable.
 */
export function parseJson(json: string): SessionRecord | Unusable {
  if (hasEscapedKey(json)) return "unreadable";
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return "unreadable";
    throw error;
  }
  if (!isPlainObject(value)) return "unreadable";
  return isNewer(value) ? "newer" : value as unknown as SessionRecord;
}

/**
 * Reads a record from JSON.
 *
 * @param json Any text at all.
 * @returns The record, or why there is none. Never throws.
 */
export function fromJson(json: string): SessionRecord | Unusable {
  const record = parseJson(json);
  if (typeof record === "string") return record;
  return validateRecord(record) === undefined ? record : "unreadable";
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

function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Tells whether a value is an object, and not an array. */
export function isPlainObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The part of a record that decides how long it lives. */
export type Lifetime = Pick<SessionRecord, "expiresAt" | "idleTimeout">;

/**
 * Tells whether a session has expired: its absolute end has come, or it was not
 * accessed for its idle timeout. At the very instant it has expired. A last
 * access in the future, as a clock that was set back leaves, counts as live.
 *
 * @param lifetime The record, or the part of it that matters here.
 * @param lastAccess When it was last accessed, in ms since the epoch.
 * @param now The instant to judge for, in ms since the epoch.
 * @returns `true` when the session has expired.
 */
export function isExpired(
  lifetime: Lifetime,
  lastAccess: number,
  now: number,
): boolean {
  const { expiresAt, idleTimeout } = lifetime;
  return (expiresAt !== undefined && now >= expiresAt) ||
    (idleTimeout !== undefined && now >= lastAccess + idleTimeout);
}

/**
 * Tells when a session expires if it is not accessed again, in ms since the
 * epoch: the instant from which {@linkcode isExpired} says so.
 *
 * @param lifetime The record, or the part of it that matters here.
 * @param lastAccess When it was last accessed, in ms since the epoch.
 * @returns `null` when it never expires by itself.
 */
export function expiryOf(
  lifetime: Lifetime,
  lastAccess: number,
): number | null {
  const { expiresAt = Infinity, idleTimeout = Infinity } = lifetime;
  const end = Math.min(expiresAt, lastAccess + idleTimeout);
  return end > Number.MAX_SAFE_INTEGER ? null : end;
}

/**
 * Refuses what a store cannot take for a last access.
 *
 * @param lastAccess Any value at all; `undefined` stands for now.
 * @throws {TypeError | RangeError} If it is not a whole number from 0 up.
 */
export function checkLastAccess(lastAccess: unknown): void {
  if (lastAccess === undefined) return;
  checkNumber(lastAccess, "Cannot keep a session: lastAccess", {
    isWhole: true,
  });
}

/** Tells whether a cleanup deletes a session. */
export type CleanupRule = (
  lifetime: Lifetime,
  lastAccess: number,
  now: number,
) => boolean;

const MINUTE = 60 * 1000;

/**
 * Makes the rule of a cleanup: a session with a lifetime of its own goes when
 * it has expired, another when it was not accessed for `minutes`.
 *
 * @param minutes How long a session without a lifetime may lie unused.
 * @param grace How much longer than its time each is kept, in milliseconds.
 * @throws {TypeError | RangeError} If either is not a number from 0 up.
 */
export function cleanupRule(minutes: number, grace: number): CleanupRule {
  checkNumber(minutes, "Cannot clean up: minutes");
  checkNumber(grace, "Cannot clean up: grace");
  return (lifetime, lastAccess, now) => {
    const hasOwn = lifetime.expiresAt !== undefined ||
      lifetime.idleTimeout !== undefined;
    return hasOwn
      ? isExpired(lifetime, lastAccess, now - grace)
      : now - grace - lastAccess >= minutes * MINUTE;
  };
}
