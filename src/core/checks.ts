/** What {@linkcode checkNumber} lets pass. */
export interface NumberBounds {
  /**
   * The smallest number.
   *
   * @default {0}
   */
  readonly least?: number;
  /**
   * The largest number.
   *
   * @default {Infinity}
   */
  readonly most?: number;
  /**
   * Whether it has to be a whole number, exact as a double.
   *
   * @default {false}
   */
  readonly isWhole?: boolean;
}

/**
 * Refuses what is not a number within bounds: a duration, a count, an instant.
 *
 * @param value Any value at all.
 * @param what What the value is for, and its unit: `Cannot <act>: <name>`.
 * @param bounds The bounds.
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is out of bounds, `NaN` included.
 */
export function checkNumber(
  value: unknown,
  what: string,
  bounds: NumberBounds = {},
): asserts value is number {
  const { least = 0, most = Infinity, isWhole = false } = bounds;
  const isValid = typeof value === "number" && value >= least &&
    value <= most && (!isWhole || Number.isSafeInteger(value));
  if (isValid) return;
  const kind = isWhole ? "a whole number" : "a number";
  const range = most === Infinity ? `${least} up` : `${least} to ${most}`;
  const message = `${what} is not ${kind} from ${range}`;
  throw typeof value === "number"
    ? new RangeError(message)
    : new TypeError(message);
}

/**
 * Refuses what is not a durability.
 *
 * @param value Any value at all.
 * @param act What it is for: `Cannot <act>`.
 * @throws {TypeError} If it is neither `"process"` nor `"power"`.
 */
export function checkDurability(value: unknown, act: string): void {
  if (value === "process" || value === "power") return;
  throw new TypeError(`${act}: durability is neither "process" nor "power"`);
}
