import { isSafeKey, type JsonValue } from "../core/record.ts";

/** How deep a value may nest; `JSON.stringify` overflows far below. */
const MAX_DEPTH = 100;
const UNDEFINED = "undefined; delete it, or use null";
const ESCAPED_KEY = "under a key that JSON would have to escape";
const IDENTIFIER = /^[A-Za-z_$][\w$]{0,39}$/;

/**
 * Refuses what JSON would lose or change: `undefined`, functions, symbols,
 * bigints, `NaN` and infinities, instances of classes (`Date`, `Map`, …),
 * arrays with holes or names, symbol keys, cycles, and more than 100 levels.
 * `-0` is the exception: it becomes `0`.
 *
 * The message names where inside the value the problem lies, of what kind it is
 * and what to do; it never shows the value.
 *
 * @param value Any value at all.
 * @param what What the value is, for the message.
 * @throws {TypeError} If JSON cannot hold the value.
 */
export function checkJson(
  value: unknown,
  what: string,
): asserts value is JsonValue {
  const problem = findProblem(value, []);
  if (problem === undefined) return;
  const { path, is } = problem;
  throw new TypeError(
    `Cannot keep ${what} in a session: ${describe(path)} is ${is}`,
  );
}

/** Tells whether JSON holds a value without loss; see {@linkcode checkJson}. */
export function isJson(value: unknown): value is JsonValue {
  return findProblem(value, []) === undefined;
}

/**
 * Refuses a key that would not come back: not a string, or JSON would escape it.
 *
 * @param key Any value at all.
 * @throws {TypeError} If it cannot be a key.
 */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== "string") {
    throw new TypeError(
      "Cannot keep a value in a session: its key is not a string",
    );
  }
  if (!isSafeKey(key)) {
    throw new TypeError(
      `Cannot keep ${nameKey(key)} in a session: it is ${ESCAPED_KEY}`,
    );
  }
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

/** What JSON cannot hold, and the path to it, which grows on the way back. */
interface Problem {
  readonly is: string;
  readonly path: Step[];
}

function findProblem(
  value: unknown,
  ancestors: object[],
): Problem | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : at("NaN or infinite");
    case "object":
      return value === null ? undefined : findInside(value, ancestors);
    case "undefined":
      return at(UNDEFINED);
    case "bigint":
      return at("a bigint; keep a string, or set the option types");
    default:
      return at(`a ${typeof value}`);
  }
}

function at(is: string): Problem {
  return { is, path: [] };
}

function findInside(value: object, ancestors: object[]): Problem | undefined {
  if (ancestors.includes(value)) return at("a cycle");
  if (ancestors.length === MAX_DEPTH) return at(`below ${MAX_DEPTH} levels`);
  const is = Array.isArray(value) ? findInArray(value) : findInObject(value);
  if (is !== undefined) return at(is);

  ancestors.push(value);
  const problem = Array.isArray(value)
    ? findInItems(value, ancestors)
    : findInMembers(value as Record<string, unknown>, ancestors);
  ancestors.pop();
  return problem;
}

function findInItems(
  value: readonly unknown[],
  ancestors: object[],
): Problem | undefined {
  for (let i = 0; i < value.length; i++) {
    const problem = findProblem(value[i], ancestors);
    if (problem === undefined) continue;
    problem.path.unshift(i);
    return problem;
  }
}

function findInMembers(
  value: Readonly<Record<string, unknown>>,
  ancestors: object[],
): Problem | undefined {
  for (const key of Object.keys(value)) {
    const problem = isSafeKey(key)
      ? findProblem(value[key], ancestors)
      : at(ESCAPED_KEY);
    if (problem === undefined) continue;
    problem.path.unshift(key);
    return problem;
  }
}

function findInArray(value: readonly unknown[]): string | undefined {
  const keys = Object.keys(value);
  // Names come last: the last key tells whether all are indexes, without a hole.
  const isWhole = keys.length === value.length &&
    (keys.length === 0 || keys.at(-1) === String(keys.length - 1));
  return Object.getPrototypeOf(value) !== Array.prototype
    ? nameClass(value)
    : isWhole
    ? undefined
    : "an array with holes or names";
}

function findInObject(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== Object.prototype && prototype !== null
    ? nameClass(value)
    : Object.getOwnPropertySymbols(value).length > 0
    ? "an object with symbol keys"
    : undefined;
}

/** Says the class of a value, and what to do; runs no code of the value's. */
function nameClass(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  const name = valueOf(valueOf(prototype, "constructor"), "name");
  if (name === "Promise") return "a Promise; await it before";
  const known = typeof name === "string" && IDENTIFIER.test(name)
    ? name
    : "a class";
  return `an instance of ${known}; keep a plain value of it, or set the option types`;
}

function valueOf(owner: unknown, name: string): unknown {
  const isObject = typeof owner === "object" || typeof owner === "function";
  return isObject && owner !== null
    ? Object.getOwnPropertyDescriptor(owner, name)?.value
    : undefined;
}

/** Writes a path inside a value for a message: `.cart[0].price`. */
export function describe(path: readonly Step[]): string {
  if (path.length === 0) return "it";
  return path.slice(0, 10).map((step) =>
    typeof step === "number"
      ? `[${step}]`
      : IDENTIFIER.test(step)
      ? `.${step}`
      : `[${nameKey(step)}]`
  ).join("") + (path.length > 10 ? "…" : "");
}
