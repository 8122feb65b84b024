import type { JsonObject, SessionRecord } from "./record.ts";

const NO_TIME = "is not whole milliseconds from 0 up";

/**
 * Tells what keeps a value from being the record that its type says it is.
 *
 * @param record Any object at all.
 * @returns What is wrong with it, for a message; `undefined` when nothing is.
 */
export function validateRecord(record: SessionRecord): string | undefined {
  const { createdAt, expiresAt = 0, idleTimeout = 0 } = record;
  const { data, flash = {}, formTokens = [] } = record;
  const { secretHash = "", user = "" } = record;
  const { cookieSentAt = 0, untilBrowserCloses = false } = record;
  const { rotatedAt = 0, previous, sealed = "", commits = 0 } = record;
  const { typed = [], typedFlash = [], keyExpiry = {}, dataVersion = 0 } =
    record;
  const { userGeneration = 0, label = "" } = record;
  if (!isTime(createdAt)) return `createdAt ${NO_TIME}`;
  if (!isTime(expiresAt)) return `expiresAt ${NO_TIME}`;
  if (!isTime(idleTimeout)) return `idleTimeout ${NO_TIME}`;
  if (!isTime(cookieSentAt)) return `cookieSentAt ${NO_TIME}`;
  if (!isTime(rotatedAt)) return `rotatedAt ${NO_TIME}`;
  if (!isPrevious(previous)) {
    return "previous is not a secret that was replaced";
  }
  if (!isText(sealed)) return "sealed is not text";
  // A number of the same range as a time's.
  if (!isTime(commits)) return "commits is not a whole number from 0 up";
  if (typeof untilBrowserCloses !== "boolean") {
    return "untilBrowserCloses is neither true nor false";
  }
  if (!isPlainObject(data)) return "data is not an object";
  if (!isPlainObject(flash)) return "flash is not an object";
  if (!isText(secretHash)) return "secretHash is not text";
  if (!isText(user)) return "user is not text";
  if (!isTime(userGeneration)) return `userGeneration ${NO_TIME}`;
  if (!isText(label)) return "label is not text";
  if (!isTextList(formTokens)) return "formTokens is not a list of texts";
  if (!isTextList(typed)) return "typed is not a list of texts";
  if (!isTextList(typedFlash)) return "typedFlash is not a list of texts";
  if (!isPlainObject(keyExpiry) || !Object.values(keyExpiry).every(isTime)) {
    return "keyExpiry is not an object of times";
  }
  return isTime(dataVersion)
    ? undefined
    : "dataVersion is not a whole number from 0 up";
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function isPrevious(value: unknown): boolean {
  if (value === undefined) return true;
  if (!isPlainObject(value)) return false;
  return isText(value.hash) && isTime(value.until) && isText(value.sealed);
}

function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

/** Tells whether a value is an object, and not an array. */
export function isPlainObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
