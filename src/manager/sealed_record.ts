/*
 * What the application keeps can lie in the store encrypted, under a key that
 * comes from the secret in the visitor's cookie and, where the server has one,
 * from a secret of its own: the store alone opens nothing, and neither does the
 * store together with the server's secret.
 *
 *   sealed     data, flash, form tokens, and what says how to read them
 *   in clear   session ID, user and since which revocation of his sessions,
 *              label, times, the hash of the secret; and the size
 */
import type { SessionRecord } from "../core/record.ts";
import { deriveKey, seal, type SealKey, unseal } from "../core/seal.ts";

const PURPOSE = "record";

/** How records are sealed. */
export interface Sealing {
  /** Whether they are from now on; what was sealed before is opened anyway. */
  readonly isOn: boolean;
  /** The server's secrets, the newest first; it seals, and all of them open. */
  readonly secrets: readonly string[];
}

/** Whose record it is. */
export interface Owner {
  readonly id: string;
  readonly secret: string;
}

/**
 * Seals a record.
 *
 * @param record The record, in clear.
 * @param owner Whose it is.
 * @param sealing How.
 */
export function sealRecord(
  record: SessionRecord,
  owner: Owner,
  { isOn, secrets }: Sealing,
): SessionRecord {
  if (!isOn) return record;
  const { data, flash, formTokens, ...others } = record;
  const { typed, typedFlash, keyExpiry, ...rest } = others;
  const text = JSON.stringify(
    { data, flash, formTokens, typed, typedFlash, keyExpiry },
  );
  const sealed = seal(keyOf(owner, secrets[0]), text);
  return { ...rest, data: {}, sealed };
}

/**
 * Opens a record that may be sealed.
 *
 * @param record As the store had it.
 * @param owner Who asks.
 * @param sealing How records are sealed.
 * @returns The record, in clear; `undefined` when it is not sealed for this
 * owner, or by another server.
 */
export function openRecord(
  record: SessionRecord,
  owner: Owner,
  { secrets }: Sealing,
): SessionRecord | undefined {
  if (record.sealed === undefined) return record;
  const { sealed, ...rest } = record;
  const candidates = secrets.length === 0 ? [undefined] : secrets;
  for (const candidate of candidates) {
    const text = unseal(keyOf(owner, candidate), sealed);
    if (text !== undefined) return { ...rest, ...JSON.parse(text) };
  }
  return undefined;
}

function keyOf({ id, secret }: Owner, server: string | undefined): SealKey {
  return deriveKey(
    server === undefined ? [secret] : [secret, server],
    id,
    PURPOSE,
  );
}
