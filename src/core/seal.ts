/*
 * What is sealed opens with its key alone: AES-256-GCM, as base64url of
 *
 *   0      12             n - 16      n
 *   | nonce | ciphertext  | tag       |
 *
 * under a key that HKDF-SHA256 (RFC 5869) derives from secrets. The session ID
 * is part of the key and the purpose too: what was sealed for one of them is
 * garbage for another. A key seals few texts, so random nonces do not repeat.
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ENCODING = "base64url";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A key that {@linkcode seal} and {@linkcode unseal} take. */
export type SealKey = Uint8Array;

/**
 * Derives a key.
 *
 * @param secrets What its holder knows; in this order, any number.
 * @param id The session ID that it is for.
 * @param purpose What it is for.
 */
export function deriveKey(
  secrets: readonly string[],
  id: string,
  purpose: string,
): SealKey {
  // As JSON, so that no other secrets make the same text.
  const material = encoder.encode(JSON.stringify(secrets));
  const info = `latchkey/1 ${purpose}`;
  return new Uint8Array(hkdfSync("sha256", material, id, info, KEY_BYTES));
}

/**
 * Seals a text.
 *
 * @param key The key.
 * @param text Any text.
 * @returns What was sealed, base64url.
 */
export function seal(key: SealKey, text: string): string {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const cipher = createCipheriv(CIPHER, key, nonce);
  const parts = [
    nonce,
    cipher.update(encoder.encode(text)),
    cipher.final(),
    cipher.getAuthTag(),
  ];
  return Buffer.concat(parts).toString(ENCODING);
}

/**
 * Opens what was sealed.
 *
 * @param key The key.
 * @param sealed Any text at all.
 * @returns The text; `undefined` when this key did not seal it, or it was
 * changed since. Never throws.
 */
export function unseal(key: SealKey, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, ENCODING);
  // It skips what is not base64url.
  if (bytes.toString(ENCODING) !== sealed) return undefined;
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce);
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    return decoder.decode(Buffer.concat([text, decipher.final()]));
  } catch {
    // The tag is wrong; `final` has no other error.
    return undefined;
  }
}
