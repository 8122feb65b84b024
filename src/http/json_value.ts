import { isSafeKey } from "../core/codec.ts";
import type { JsonValue } from "../core/record.ts";

/** How deep a value may nest; far below where `JSON.stringify` would overflow. */
const MAX_DEPTH = 100;
const ESCAPED_KEY = "under a key that JSON would have to escape";
const IDENTIFIER = /^[A-Za-z_$][\w$]{0,39}$/;

/**
 * Refuses what JSON would lose or change: `undefined`, functions, symbols,
 * bigints, `NaN` and infinities, instances of classes (`Date`, `Map`, …),
 * arrays with holes or names, symbol keys, cycles, and more than 100 levels.
 * `-0` is the exception: it becomes `0`.
 *
 * The message names where inside the value the problem lies and of what kind
 * it is; it never shows the value.
 *
 * @param value Any value at all.
 * @param what What the value is, for the message.
 * @throws {TypeError} If JSON cannot hold the value.
 */
export function checkJson(
  value: unknown,
  what: string,
): asserts value is JsonValue {
  const path: Step[] = [];
  const problem = findProblem(value, path, []);
  if (problem === undefined) return;
  throw new TypeError(
    `Cannot keep ${what} in a session: ${describe(path)} is ${problem}`,
  );
}

/**
 * Refuses a key that would not come back: no text, or JSON would escape it.
 *
 * @param key Any value at all.
 * @throws {TypeError} If it can be no key.
 */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== "string") {
    throw new TypeError("Cannot keep a value in a session: its key is no text");
  }
  if (!isSafeKey(key)) {
    throw new TypeError(
      `Cannot keep ${nameKey(key)} in a session: it is ${ESCAPED_KEY}`,
    );
  }
}

/**
 * Writes a value as JSON.
 *
 * @param value Any value at all.
 * @param what What the value is, for the message.
 * @returns The JSON text.
 * @throws {TypeError} If JSON cannot hold the value, as {@linkcode checkJson} says.
 */
export function writeJson(value: unknown, what: string): string {
  checkJson(value, what);
  return JSON.stringify(value);
}

/**
 * Names a key for a message, whatever it holds and however long it is.
 *
 * @param key The key.
 * @returns The key in quotes, escaped, its first 40 characters.
 */
export function nameKey(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
}

type Step = string | number;

/** Leaves `path` at the problem that it answers with. */
function findProblem(
  value: unknown,
  path: Step[],
  ancestors: object[],
): string | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : "NaN or infinite";
    case "object":
      return value === null ? undefined : findInside(value, path, ancestors);
    case "undefined":
      return "undefined";
    default:
      return `a ${typeof value}`;
  }
}

function findInside(
  value: object,
  path: Step[],
  ancestors: object[],
): string | undefined {
  if (ancestors.includes(value)) return "a cycle";
  if (ancestors.length === MAX_DEPTH) return `below ${MAX_DEPTH} levels`;
  const isArray = Array.isArray(value);
  const problem = isArray ? findInArray(value) : findInObject(value);
  if (problem !== undefined) return problem;

  ancestors.push(value);
  for (const key of Object.keys(value)) {
    path.push(isArray ? Number(key) : key);
    if (!isSafeKey(key)) return ESCAPED_KEY;
    const inner = findProblem(Reflect.get(value, key), path, ancestors);
    if (inner !== undefined) return inner;
    path.pop();
  }
  ancestors.pop();
  return undefined;
}

function findInArray(value: readonly unknown[]): string | undefined {
  const keys = Object.keys(value);
  // Names come last: the last key tells whether all are places, without a hole.
  const isWhole = keys.length === value.length &&
    (keys.length === 0 || keys.at(-1) === String(keys.length - 1));
  return Object.getPrototypeOf(value) !== Array.prototype
    ? "an instance of a class"
    : isWhole
    ? undefined
    : "an array with holes or names";
}

function findInObject(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== Object.prototype && prototype !== null
    ? "an instance of a class"
    : Object.getOwnPropertySymbols(value).length > 0
    ? "an object with symbol keys"
    : undefined;
}

function describe(path: readonly Step[]): string {
  if (path.length === 0) return "it";
  return path.slice(0, 10).map((step) =>
    typeof step === "number"
      ? `[${step}]`
      : IDENTIFIER.test(step)
      ? `.${step}`
      : `[${nameKey(step)}]`
  ).join("") + (path.length > 10 ? "…" : "");
}
