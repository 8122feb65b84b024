/** Returns the ID of one of very many sessions: no two alike, in no order. */
export function nameOf(n: number): string {
  return scattered(n).toString(16).padStart(8, "0").repeat(4);
}

/** Returns which of them a name has in it; `undefined` if none. */
export function numberIn(name: string): number | undefined {
  // What stands before the name may end with a digit, as "sessionid" does.
  const digits = name.match(/([0-9a-f]{8})\1{3}(?![0-9a-f])/)?.[1];
  if (digits === undefined) return undefined;
  // Takes back what `scattered` does: their product is 1, modulo 2³².
  return Math.imul(parseInt(digits, 16), 0x0e8b2f51) >>> 0;
}

/** Takes numbers below 2³² to others, one to one and far apart. */
export function scattered(n: number): number {
  return Math.imul(n, 0x9e3779b1) >>> 0;
}
