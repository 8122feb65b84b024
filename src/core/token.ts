/*
 * A token is the value of the cookie: 54 characters.
 *
 *   0                               32                    54
 *   | session ID                    | secret              |
 *   | 128 random bits, lower hex    | 128, base64url      |
 *
 * The ID is public: it is the file's name, it stands in logs, it opens
 * nothing. The secret is in the browser and nowhere else; the record keeps its
 * SHA-256, so what a copy of the directory holds is no use for signing in. The
 * split is the selector and verifier of persistent-login cookies; 128 bits of
 * entropy are twice the floor that OWASP's Session Management sheet asks for.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** What a cookie carries: which session, and the proof that it is yours. */
export interface Token {
  /** The session ID, 32 lower-case hex characters. */
  readonly id: string;
  /** The secret, 22 base64url characters. */
  readonly secret: string;
}

const RANDOM_BYTES = 16;
const ID_LENGTH = 2 * RANDOM_BYTES;
const TOKEN = /^[0-9a-f]{32}[A-Za-z0-9_-]{22}$/;
const SESSION_ID = /^[a-z0-9][a-z0-9_-]{15,63}$/;

function randomBytes(): Buffer {
  return crypto.getRandomValues(Buffer.alloc(RANDOM_BYTES));
}

/**
 * Makes a new session ID.
 *
 * @returns 128 random bits as 32 lower-case hex characters.
 */
export function createSessionId(): string {
  return randomBytes().toString("hex");
}

/**
 * Makes a secret.
 *
 * @returns 128 random bits as 22 base64url characters.
 */
export function createSecret(): string {
  return randomBytes().toString("base64url");
}

/**
 * Reads a token as a client sent it.
 *
 * @param text Any text at all.
 * @returns The token, or `undefined` when the text is not one of ours. Never throws.
 */
export function parseToken(text: string): Token | undefined {
  if (!TOKEN.test(text)) return undefined;
  return { id: text.slice(0, ID_LENGTH), secret: text.slice(ID_LENGTH) };
}

/**
 * Hashes a secret for the record.
 *
 * @param secret The secret of a token.
 * @returns Its SHA-256, 64 lower-case hex characters: base64url takes
 * nearly twice as long to make.
 */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/**
 * Compares two hashes of secrets in constant time.
 *
 * @param actual The hash of what a client sent.
 * @param expected The record's `secretHash`; `undefined` equals no hash.
 * @returns `true` when they are the same.
 */
export function isSameHash(
  actual: string,
  expected: string | undefined,
): boolean {
  if (actual.length !== expected?.length) return false;
  // `timingSafeEqual` takes bytes; to make them costs forty times as much.
  let difference = 0;
  for (let i = 0; i < actual.length; i++) {
    difference |= actual.charCodeAt(i) ^ expected.charCodeAt(i);
  }
  return difference === 0;
}

/**
 * Tells whether a store takes this as a session ID: 16 to 64 characters of
 * `a–z 0–9 - _`, the first a letter or digit. Such a name is safe on file
 * systems that ignore case, and can neither leave a directory nor hide in it.
 *
 * @param text Any value at all.
 * @returns `true` when it is one. Never throws.
 */
export function isSessionId(text: unknown): text is string {
  return typeof text === "string" && SESSION_ID.test(text);
}

/**
 * Refuses what is not a session ID, where the program and not a client chose it.
 *
 * @param id Any value at all.
 * @throws {TypeError} If it is not a session ID. The message does not repeat it.
 */
export function checkSessionId(id: unknown): asserts id is string {
  if (isSessionId(id)) return;
  throw new TypeError(
    "Cannot keep a session: its ID is not 16 to 64 of the characters a-z 0-9 - _ that begin with a letter or digit",
  );
}
