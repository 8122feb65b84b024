/*
 * The proof of a browser that it has a key: a JWT, signed with it (W3C Device
 * Bound Session Credentials, spec.bs of 2026-02-17, "DBSC Proof JWT Syntax").
 *
 *   header      typ   "dbsc+jwt"
 *               alg   "ES256" or "RS256"
 *               jwk   the public key, when it is registered, and only then
 *   payload     jti   the challenge
 *
 * WebCrypto verifies the signature. What is checked here is what it leaves to its
 * caller: that the JWT is of this kind, and that the key is a public one and of
 * a sound size. Nothing else in a JWT is looked at, so no other member can name
 * a key or an algorithm.
 */
import { Buffer } from "node:buffer";
import { isPlainObject, type JsonObject } from "../core/record.ts";

/** How a browser signs: ECDSA with P-256, or RSA, PKCS #1 v1.5; with SHA-256. */
export type DeviceAlgorithm = "ES256" | "RS256";

/** A public key as a record keeps it. */
export type DeviceKey = { readonly [member: string]: string };

/** A proof as it came; nothing in it is true until it is verified. */
export interface Proof {
  readonly algorithm: string;
  /** What was signed, if it is a registration. */
  readonly jwk: unknown;
  readonly challenge: string;
  /** What the signature is of. */
  readonly text: string;
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** What browsers send is below 2 KiB, with an RSA key of 4096 bits. */
const LONGEST_PROOF = 8 * 1024;
const ENCODING = "base64url";
const TYPE = "dbsc+jwt";
/** As the specification says, a string in quotes, or bare as Chromium 156 sends it. */
const HEADER = /^(?:([\w.-]+)|"([\w.-]+)"(?:;.*)?)$/;
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const COORDINATE_BYTES = 32;
/** 65537, which all keys of browsers have. */
const EXPONENT = "AQAB";
const LEAST_MODULUS_BYTES = 2048 / 8;
const MOST_MODULUS_BYTES = 4096 / 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a proof.
 *
 * @param header The header `Secure-Session-Response`, if there is one.
 * @returns `undefined` when there is none, or it holds no proof. Never throws.
 */
export function readProof(header: string | null): Proof | undefined {
  if (header === null || header.length > LONGEST_PROOF) return undefined;
  const [, bare, quoted] = HEADER.exec(header) ?? [];
  const parts = (bare ?? quoted)?.split(".") ?? [];
  if (parts.length !== 3) return undefined;
  const [head, payload] = parts.slice(0, 2).map(parseObject);
  const signature = decodeBase64(parts[2]!);
  if (!head || !payload || !signature) return undefined;
  const { alg: algorithm, jwk } = head;
  const { jti: challenge } = payload;
  // What `crit` lists must be understood, and this understands nothing of it.
  const isProof = head.typ === TYPE && head.crit === undefined &&
    typeof algorithm === "string" && typeof challenge === "string";
  if (!isProof) return undefined;
  const text = `${parts[0]}.${parts[1]}`;
  return { algorithm, jwk, challenge, text, signature };
}

/**
 * Finds the key that a proof is to register.
 *
 * @param proof The proof, not verified yet.
 * @param algorithms Those that were offered.
 * @returns Its public members and `alg`; `undefined` when there is no key, it is
 * not for such an algorithm, is of another size, or is private. Never throws.
 */
export function readKey(
  { jwk, algorithm: alg }: Proof,
  algorithms: readonly DeviceAlgorithm[],
): DeviceKey | undefined {
  const isOffered = algorithms.some((offered) => offered === alg);
  if (!isOffered || !isPlainObject(jwk)) return undefined;
  if (PRIVATE_MEMBERS.some((name) => jwk[name] !== undefined)) return undefined;
  if (alg === "ES256") {
    const { kty, crv, x, y } = jwk;
    const isKey = kty === "EC" && crv === "P-256" &&
      countBytes(x) === COORDINATE_BYTES && countBytes(y) === COORDINATE_BYTES;
    return isKey
      ? { alg, kty, crv, x: x as string, y: y as string }
      : undefined;
  }
  const { kty, n, e } = jwk;
  const size = countBytes(n);
  const isKey = kty === "RSA" && e === EXPONENT &&
    size >= LEAST_MODULUS_BYTES && size <= MOST_MODULUS_BYTES;
  return isKey ? { alg, kty, n: n as string, e } : undefined;
}

/**
 * Tells whether a proof was signed with a key.
 *
 * @param proof The proof.
 * @param key Made by `readKey`.
 * @returns `false` also when the algorithms differ, or the key is none, as a point
 * beside the curve.
 */
export async function verifyProof(
  { algorithm, text, signature }: Proof,
  { alg, ...jwk }: DeviceKey,
): Promise<boolean> {
  if (algorithm !== alg) return false;
  const { subtle } = crypto;
  const parameters = alg === "ES256"
    ? { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
    : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  try {
    const key = await subtle.importKey("jwk", jwk, parameters, false, [
      "verify",
    ]);
    return await subtle.verify(
      parameters,
      key,
      signature,
      encoder.encode(text),
    );
  } catch {
    // Runtimes differ in which of the two refuses a key that is none, and in the
    // class of the error; both are given nothing but what the client has sent.
    return false;
  }
}

function parseObject(part: string): JsonObject | undefined {
  const bytes = decodeBase64(part);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return isPlainObject(value) ? value : undefined;
  } catch (error) {
    // Of the decoder, and of the parser.
    if (error instanceof TypeError || error instanceof SyntaxError) {
      return undefined;
    }
    throw error;
  }
}

/** Counts the bytes of a number in a JWK, which has no zeros in front of it. */
function countBytes(value: unknown): number {
  const bytes = typeof value === "string" ? decodeBase64(value) : undefined;
  return bytes?.length ?? 0;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = Buffer.from(text, ENCODING);
  // It skips what is not base64url.
  return bytes.toString(ENCODING) === text ? new Uint8Array(bytes) : undefined;
}
