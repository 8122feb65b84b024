import { crc32 } from "node:zlib";

/** How many characters a tag has. */
export const TAG_LENGTH = 8;

const NOBODY = "-".repeat(TAG_LENGTH);
const encoder = new TextEncoder();

/**
 * Makes the tag of a user, by which whoever looks for his sessions passes over
 * nearly all others unopened. Two users may have the same one, by accident or
 * on purpose: it is a hint where to look, and proves nothing.
 *
 * @param user Who is logged in, if anybody is.
 * @returns CRC-32 of the name, 8 lower-case hex characters, or as many `-`.
 */
export function userTag(user: string | undefined): string {
  if (user === undefined) return NOBODY;
  return crc32(encoder.encode(user)).toString(16).padStart(TAG_LENGTH, "0");
}
