import { openExisting } from "../system/files.ts";
import { system } from "../system/system.ts";
import { hidePasswords } from "./console.ts";
import { UsageError } from "./usage.ts";

/** The kinds of store that have an address. */
export type StoreKind = "directory" | "sqlite" | "kv" | "redis" | "postgres";

/** Where a store is. */
export interface StoreAddress {
  readonly kind: StoreKind;
  /** A path, or the URL of a server as it was given. */
  readonly where: string;
  /** The same as it may be shown: without a password. */
  readonly name: string;
}

/** Part of the help of each command that takes a store. */
export const ADDRESS_HELP = `STORE is
  PATH            a directory of sessions, or an SQLite file, whichever is there
  directory:PATH, sqlite:FILE, kv:FILE
  redis://USER:PASSWORD@HOST:PORT/NUMBER, rediss://… for TLS
  postgres://USER:PASSWORD@HOST:PORT/DATABASE
A password may come from REDISCLI_AUTH or PGPASSWORD instead.`;

/** Which permissions an address needs, as part of a help. */
export const PERMISSIONS_HELP = `Permissions:
  PATH, sqlite:, kv:  --allow-read=PATH --allow-write=PATH; kv: also --unstable-kv
  redis:              --allow-net=HOST:PORT, and --allow-env=REDISCLI_AUTH for that
  postgres:           --allow-net=HOST:PORT --allow-env`;

const SCHEMES: Readonly<Record<string, StoreKind>> = {
  directory: "directory",
  sqlite: "sqlite",
  kv: "kv",
  redis: "redis",
  rediss: "redis",
  postgres: "postgres",
  postgresql: "postgres",
};

/** One letter before the colon is a drive of Windows. */
const SCHEME = /^([a-z][a-z0-9+.-]+):/i;
/** What every database of SQLite begins with. */
const SQLITE = "SQLite format 3\0";

/**
 * Reads the address of a store; of a path it looks at what is there.
 *
 * @param text As it was given.
 * @param what What the usage calls it.
 * @param mayBeMissing Whether the store may be made.
 * @throws {UsageError} If it is no address, or does not say what is to be made.
 * @throws {Error} If no store is there.
 */
export function readAddress(
  text: string,
  what: string,
  mayBeMissing = false,
): StoreAddress {
  const scheme = SCHEME.exec(text)?.[1];
  if (scheme === undefined) {
    return { kind: kindOf(text, what, mayBeMissing), where: text, name: text };
  }
  const kind = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme]! : undefined;
  const name = hidePasswords(text);
  if (kind === undefined) {
    throw new UsageError(
      `${what} has an unknown scheme: ${name} (a path with a colon: ./${name})`,
    );
  }
  if (kind === "redis" || kind === "postgres") {
    if (!URL.canParse(text) || !text.startsWith(`${scheme}://`)) {
      throw new UsageError(
        `${what} is not a URL: ${name} (special characters in a password are written as %40)`,
      );
    }
    return { kind, where: text, name };
  }
  const where = text.slice(scheme.length + 1);
  // SQLite would take it for a database in memory, or for a URL with settings.
  if (where === "" || /^(:memory:$|file:|\/\/)/.test(where)) {
    throw new UsageError(
      `${what} is not a path: ${where} (write ${scheme}:./${where})`,
    );
  }
  if (!isRemote(where)) {
    const info = statIfThere(where);
    if (info === undefined && !mayBeMissing) {
      throw new Error(`${what} is missing: ${where}`);
    }
    if (info?.isDirectory && kind !== "directory") {
      throw new Error(
        `${what} is a directory: ${where} (write directory:${where})`,
      );
    }
  }
  return { kind, where, name: text };
}

/** Tells whether a place of a `Deno.Kv` is a URL. */
export function isRemote(where: string): boolean {
  return /^https?:\/\//.test(where);
}

/** Tells what lies at a path. */
function kindOf(
  path: string,
  what: string,
  mayBeMissing: boolean,
): StoreKind {
  const ways = `write directory:${path} or sqlite:${path}`;
  const info = statIfThere(path);
  if (info === undefined) {
    const message = `${what} is missing: ${path} (${ways})`;
    throw mayBeMissing ? new UsageError(message) : new Error(message);
  }
  if (info.isDirectory) return "directory";
  if (info.isFile && isSqlite(path)) return "sqlite";
  throw new Error(
    `${what} is neither a directory nor an SQLite file: ${path} (${ways})`,
  );
}

function statIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return system.stat(path);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isMissing) return undefined;
    throw error;
  }
}

function isSqlite(path: string): boolean {
  const file = openExisting(path, false);
  if (file === undefined) return false;
  try {
    const bytes = new Uint8Array(SQLITE.length);
    const length = system.read(file, bytes) ?? 0;
    return new TextDecoder().decode(bytes.subarray(0, length)) === SQLITE;
  } finally {
    system.close(file);
  }
}
