import type { SessionRecord } from "../core/record.ts";

const LONGEST = 256;

/**
 * Checks a label.
 *
 * @param label What was asked for.
 * @throws {TypeError} If it is neither text nor `null`.
 * @throws {RangeError} If it is empty or too long.
 */
export function checkLabel(label: unknown): asserts label is string | null {
  if (label === null) return;
  if (typeof label !== "string") {
    throw new TypeError("Cannot set the label: it is neither text nor null");
  }
  if (label.length === 0 || label.length > LONGEST) {
    throw new RangeError(
      `Cannot set the label: it is not 1 to ${LONGEST} characters long`,
    );
  }
}

/** Gives a record another label, or with `null` none. */
export function changeLabel(
  record: SessionRecord,
  label: string | null,
): SessionRecord {
  const { label: _label, ...rest } = record;
  return label === null ? rest : { ...rest, label };
}
