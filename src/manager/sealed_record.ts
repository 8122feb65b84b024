/*
 * What the application keeps can lie in the store encrypted, under a key that
 * comes from the secret in the client's cookie and, if the server has one, from
 * a secret of its own: the store alone opens nothing, and neither does the store
 * together with the server's secret.
 *
 *   sealed     data, flash, form tokens, and what says how to read them
 *   in clear   session ID, user and generation, label, times, the hash of the
 *              secret; and the size
 */
import type { SessionRecord } from "../core/record.ts";
import { deriveKey, seal, type SealKey, unseal } from "../core/seal.ts";
import type { Token } from "../core/token.ts";

const PURPOSE = "record";

/** A secret of the server; `null` for none beside the cookie's. */
export type ServerSecret = string | null;

/** How records are sealed. */
export interface Sealing {
  /** Whether records are sealed when written; sealed ones are opened anyway. */
  readonly isOn: boolean;
  /** One at least: the first seals, and all of them open. */
  readonly secrets: readonly ServerSecret[];
}

/**
 * Seals a record.
 *
 * @param record The record, in clear.
 * @param owner The session ID and the secret that will open it.
 * @param sealing The server's secrets.
 */
export function sealRecord(
  record: SessionRecord,
  owner: Token,
  { secrets }: Sealing,
): SessionRecord {
  const { data, flash, formTokens, ...others } = record;
  const { typed, typedFlash, keyExpiry, flashLeft, ...rest } = others;
  const text = JSON.stringify(
    { data, flash, formTokens, typed, typedFlash, keyExpiry, flashLeft },
  );
  const sealed = seal(keyOf(owner, secrets[0]!, PURPOSE), text);
  return { ...rest, data: {}, sealed };
}

/**
 * Opens a sealed record.
 *
 * @param record As the store had it.
 * @param owner The session ID and the secret of the caller.
 * @param sealing The server's secrets.
 * @returns The record, in clear, and which of the server's secrets opened it;
 * `undefined` when it is sealed for another secret, or by another server.
 */
export function openRecord(
  record: SessionRecord,
  owner: Token,
  { secrets }: Sealing,
): { readonly record: SessionRecord; readonly by: number } | undefined {
  const { sealed = "", ...rest } = record;
  for (const [by, candidate] of secrets.entries()) {
    const text = unseal(keyOf(owner, candidate, PURPOSE), sealed);
    if (text !== undefined) {
      return { record: { ...rest, ...JSON.parse(text) }, by };
    }
  }
  return undefined;
}

/**
 * Derives the key of a token and of the server.
 *
 * @param purpose What it is for.
 */
export function keyOf(
  { id, secret }: Token,
  server: ServerSecret,
  purpose: string,
): SealKey {
  const secrets = server === null ? [secret] : [secret, server];
  return deriveKey(secrets, id, purpose);
}
