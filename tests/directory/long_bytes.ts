/** Lengths of files near those from which a read takes another call. */
export const LENGTHS: readonly number[] = [
  0,
  1,
  500,
  65_535,
  65_536,
  65_537,
  131_072,
  200_000,
  1_048_577,
];

/** Makes bytes that differ from place to place, so that a shifted piece shows. */
export function longBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff;
  return bytes;
}
