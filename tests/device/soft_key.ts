/** A key as a browser makes one for a device-bound session, and its proofs. */

/** How a proof differs from what a browser makes. */
export interface ProofChanges {
  /** Members of the header, over those of a browser; `undefined` removes one. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly payload?: Readonly<Record<string, unknown>>;
}

const ENCODING = { alphabet: "base64url", omitPadding: true } as const;
const encoder = new TextEncoder();

/** Encodes bytes, or a text, as JWTs are. */
export function toBase64(value: string | Uint8Array): string {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  return bytes.toBase64(ENCODING);
}

/** A private key, and what Chromium 156 was seen to do with it. */
export class SoftKey {
  readonly alg: "ES256" | "RS256";
  /** The public key, as it is registered. */
  readonly jwk: Readonly<Record<string, string>>;
  readonly #private: CryptoKey;

  private constructor(
    alg: "ES256" | "RS256",
    jwk: Readonly<Record<string, string>>,
    privateKey: CryptoKey,
  ) {
    this.alg = alg;
    this.jwk = jwk;
    this.#private = privateKey;
  }

  static async create(
    alg: "ES256" | "RS256" = "ES256",
    modulusLength = 2048,
  ): Promise<SoftKey> {
    const pair = alg === "ES256"
      ? await crypto.subtle.generateKey(
        { name: "ECDSA", namedCurve: "P-256" },
        true,
        ["sign", "verify"],
      )
      : await crypto.subtle.generateKey(
        {
          name: "RSASSA-PKCS1-v1_5",
          modulusLength,
          publicExponent: new Uint8Array([1, 0, 1]),
          hash: "SHA-256",
        },
        true,
        ["sign", "verify"],
      );
    const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey(
      "jwk",
      pair.publicKey,
    );
    const jwk = alg === "ES256" ? { crv, kty, x, y } : { e, kty, n };
    return new SoftKey(alg, jwk as Record<string, string>, pair.privateKey);
  }

  /** Proves the key for a challenge, to register it. */
  register(challenge: string, changes: ProofChanges = {}): Promise<string> {
    const { alg, jwk } = this;
    return this.#make({ alg, jwk, typ: "dbsc+jwt" }, challenge, changes);
  }

  /** Proves the key for a challenge, to refresh a session. */
  refresh(challenge: string, changes: ProofChanges = {}): Promise<string> {
    return this.#make({ alg: this.alg, typ: "dbsc+jwt" }, challenge, changes);
  }

  /** Signs a text. */
  async sign(text: string): Promise<Uint8Array<ArrayBuffer>> {
    const algorithm = this.alg === "ES256"
      ? { name: "ECDSA", hash: "SHA-256" }
      : { name: "RSASSA-PKCS1-v1_5" };
    const bytes = encoder.encode(text);
    return new Uint8Array(
      await crypto.subtle.sign(algorithm, this.#private, bytes),
    );
  }

  async #make(
    header: object,
    challenge: string,
    changes: ProofChanges,
  ): Promise<string> {
    const parts = [
      { ...header, ...changes.header },
      { jti: challenge, ...changes.payload },
    ];
    const text = parts.map((part) => toBase64(JSON.stringify(part))).join(".");
    return `${text}.${toBase64(await this.sign(text))}`;
  }
}
