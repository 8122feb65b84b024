/** Names and durations that the tests of all rooms use. */

import type { SessionRecord } from "../src/core/record.ts";
import { hashSecret } from "../src/core/token.ts";
import type { Sealing } from "../src/manager/sealed_record.ts";

/** A session ID. */
export const ID = "0123456789abcdef0123456789abcdef";
/** Another one. */
export const OTHER_ID = "fedcba9876543210fedcba9876543210";

/** A secret. */
export const SECRET = "AAAAAAAAAAAAAAAAAAAAAA";
/** The hash of the secret, which a record keeps. */
export const SECRET_HASH: string = hashSecret(SECRET);

/** A user. */
export const USER = "ann";

/** In milliseconds. */
export const MINUTE = 60_000;
/** In milliseconds. */
export const HOUR: number = 60 * MINUTE;

/** The settings of sealed records. */
export const SEALING: Sealing & { readonly secrets: readonly string[] } = {
  isOn: true,
  secrets: ["a secret of the server's own, long enough for it"],
};

/** Makes the smallest record. */
export function recordOf(
  data: SessionRecord["data"] = { n: 1 },
  rest: Partial<SessionRecord> = {},
): SessionRecord {
  return { data, createdAt: 1_763_629_200_000, ...rest };
}

/** Makes a request that carries a token, or none. */
export function requestOf(token?: string): Request {
  const headers = token === undefined
    ? undefined
    : { cookie: `latchkey=${token}` };
  return new Request("http://localhost/", { headers: headers ?? {} });
}
