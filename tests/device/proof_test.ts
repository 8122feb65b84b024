/** Proofs as a browser makes them, and what else can be sent in their place. */

import { assertEquals } from "@std/assert";
import {
  type DeviceKey,
  readKey,
  readProof,
  verifyProof,
} from "../../src/device/proof.ts";
import { SoftKey, toBase64 } from "./soft_key.ts";

const ALGORITHMS = ["ES256", "RS256"] as const;
const CHALLENGE = "a challenge";
const es = await SoftKey.create("ES256");
const rs = await SoftKey.create("RS256");
const keyOf = ({ alg, jwk }: SoftKey): DeviceKey => ({ alg, ...jwk });

/** Reads a header, and verifies what it holds with a key. */
async function accepts(header: string, key: DeviceKey): Promise<boolean> {
  const proof = readProof(header);
  return proof !== undefined && await verifyProof(proof, key);
}

/** Registers with a proof: the key that is stored, if it is good. */
async function registers(
  header: string,
  algorithms: readonly ("ES256" | "RS256")[] = ALGORITHMS,
): Promise<DeviceKey | undefined> {
  const proof = readProof(header);
  const key = proof && readKey(proof, algorithms);
  return key && await verifyProof(proof, key) ? key : undefined;
}

for (const key of [es, rs]) {
  Deno.test(`readProof() reads a proof of ${key.alg}, and verifyProof() its signature`, async () => {
    const registration = await key.register(CHALLENGE);
    assertEquals(readProof(registration)?.challenge, CHALLENGE);
    assertEquals(await registers(registration), keyOf(key));
    const refresh = await key.refresh(CHALLENGE);
    assertEquals(readProof(refresh)?.jwk, undefined);
    assertEquals(await accepts(refresh, keyOf(key)), true);
  });

  Deno.test(`readProof() takes a proof of ${key.alg} bare, and as a string with parameters`, async () => {
    const jwt = await key.refresh(CHALLENGE);
    for (const header of [jwt, `"${jwt}"`, `"${jwt}";a=1`]) {
      assertEquals(await accepts(header, keyOf(key)), true);
    }
    for (
      const header of [
        `"${jwt}`,
        `${jwt}"`,
        ` ${jwt}`,
        `'${jwt}'`,
        `${jwt}, ${jwt}`,
      ]
    ) {
      assertEquals(readProof(header), undefined, header.slice(0, 3));
    }
  });
}

Deno.test("verifyProof() accepts no other signature, text, key or algorithm", async () => {
  const jwt = await es.refresh(CHALLENGE);
  const [head, , signature] = jwt.split(".");
  const other = toBase64(JSON.stringify({ jti: "another" }));
  assertEquals(
    await accepts(`${head}.${other}.${signature}`, keyOf(es)),
    false,
  );
  assertEquals(await accepts(jwt, keyOf(await SoftKey.create())), false);
  assertEquals(await accepts(jwt, keyOf(rs)), false);
  // The key is the record's, and so is the algorithm.
  const asRs = await es.refresh(CHALLENGE, { header: { alg: "RS256" } });
  assertEquals(await accepts(asRs, keyOf(es)), false);
  assertEquals(await accepts(asRs, { ...keyOf(es), alg: "RS256" }), false);
});

Deno.test("readKey() takes no algorithm but those that were offered", async () => {
  for (const alg of ["none", "None", "HS256", "ES384", "PS256", "", 7, null]) {
    const jwt = await es.register(CHALLENGE, { header: { alg } });
    assertEquals(await registers(jwt), undefined, `${alg}`);
  }
  assertEquals(
    await registers(await rs.register(CHALLENGE), ["ES256"]),
    undefined,
  );
  assertEquals(
    await registers(await es.register(CHALLENGE), ["RS256"]),
    undefined,
  );
  // Of an RSA key under ES256, and the other way round.
  const crossed = [
    await es.register(CHALLENGE, { header: { jwk: rs.jwk } }),
    await rs.register(CHALLENGE, { header: { jwk: es.jwk } }),
    await rs.register(CHALLENGE, { header: { alg: "ES256" } }),
    await es.register(CHALLENGE, { header: { alg: "RS256" } }),
  ];
  for (const jwt of crossed) assertEquals(await registers(jwt), undefined);
});

Deno.test("verifyProof() knows no signature without a key: alg none, HS256 with the public key", async () => {
  const head = (alg: string) =>
    toBase64(JSON.stringify({ alg, jwk: es.jwk, typ: "dbsc+jwt" }));
  const payload = toBase64(JSON.stringify({ jti: CHALLENGE }));
  assertEquals(readProof(`${head("none")}.${payload}.`)?.algorithm, "none");
  assertEquals(await registers(`${head("none")}.${payload}.`), undefined);
  const raw = new TextEncoder().encode(JSON.stringify(es.jwk));
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", raw, hmac, false, ["sign"]);
  const text = `${head("HS256")}.${payload}`;
  const bytes = new TextEncoder().encode(text);
  const signature = new Uint8Array(
    await crypto.subtle.sign("HMAC", key, bytes),
  );
  const jwt = `${text}.${toBase64(signature)}`;
  assertEquals(await registers(jwt), undefined);
  assertEquals(await accepts(jwt, keyOf(es)), false);
});

Deno.test("readKey() takes no private key, and keeps no member that it does not need", async () => {
  for (const name of ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]) {
    const jwk = { ...rs.jwk, [name]: "AQAB" };
    const jwt = await rs.register(CHALLENGE, { header: { jwk } });
    assertEquals(await registers(jwt), undefined, name);
  }
  const odd = {
    use: "enc",
    key_ops: ["sign"],
    kid: "../..",
    ext: false,
    x5u: "https://a.example/",
  };
  const jwt = await es.register(CHALLENGE, {
    header: { jwk: { ...es.jwk, ...odd }, kid: "x", jku: "https://a.example/" },
  });
  assertEquals(await registers(jwt), keyOf(es));
});

Deno.test("readKey() takes no RSA key of another size or exponent", async () => {
  const jwkOf = (n: Uint8Array, e = "AQAB") => ({
    kty: "RSA",
    n: toBase64(n),
    e,
  });
  const bytes = (size: number) => new Uint8Array(size).fill(255);
  const refused = [
    jwkOf(bytes(128)),
    jwkOf(bytes(255)),
    jwkOf(bytes(513)),
    jwkOf(bytes(4096)),
    jwkOf(new Uint8Array(0)),
    jwkOf(bytes(256), "AQ"),
    jwkOf(bytes(256), "Aw"),
    jwkOf(bytes(256), "AAEAAQ"),
    jwkOf(bytes(256), ""),
    { kty: "RSA", n: rs.jwk.n },
    { kty: "RSA", e: "AQAB" },
    { ...rs.jwk, kty: "rsa" },
    { ...rs.jwk, n: `${rs.jwk.n}=` },
    { ...rs.jwk, n: 7 },
    { ...rs.jwk, n: ["a"] },
  ];
  for (const jwk of refused) {
    const proof = readProof(await rs.register(CHALLENGE, { header: { jwk } }));
    assertEquals(proof && readKey(proof, ALGORITHMS), undefined);
  }
  const small = await SoftKey.create("RS256", 1024);
  assertEquals(await registers(await small.register(CHALLENGE)), undefined);
  const large = await SoftKey.create("RS256", 4096);
  assertEquals(await registers(await large.register(CHALLENGE)), keyOf(large));
});

Deno.test("readKey() and verifyProof() take no point that is not on the curve P-256", async () => {
  const { x, y } = es.jwk as { x: string; y: string };
  const zero = toBase64(new Uint8Array(32));
  const all = toBase64(new Uint8Array(32).fill(255));
  const refused = [
    { ...es.jwk, y: x },
    { ...es.jwk, x: y },
    { ...es.jwk, x: zero, y: zero },
    { ...es.jwk, x: all, y: all },
    { ...es.jwk, x: x.slice(0, 20) },
    { ...es.jwk, x: `${x}AA` },
    { ...es.jwk, crv: "P-384" },
    { ...es.jwk, crv: "secp256k1" },
    { ...es.jwk, crv: ["P-256"] },
    { ...es.jwk, kty: "OKP" },
    { ...es.jwk, y: undefined },
    {},
    [],
    null,
    "key",
    7,
  ];
  for (const jwk of refused) {
    const jwt = await es.register(CHALLENGE, { header: { jwk } });
    assertEquals(await registers(jwt), undefined, JSON.stringify(jwk));
  }
});

Deno.test("verifyProof() takes no signature in another form: DER, cut off, padded, empty, of zeros", async () => {
  const jwt = await es.refresh(CHALLENGE);
  const [head, payload, signature] = jwt.split(".") as [string, string, string];
  const raw = Uint8Array.fromBase64(signature, { alphabet: "base64url" });
  assertEquals(raw.length, 64);
  const integer = (part: Uint8Array) => [2, part.length + 1, 0, ...part];
  const body = [...integer(raw.subarray(0, 32)), ...integer(raw.subarray(32))];
  const others = [
    new Uint8Array([0x30, body.length, ...body]),
    raw.subarray(0, 63),
    new Uint8Array([...raw, 0]),
    new Uint8Array(0),
    new Uint8Array(64),
    new Uint8Array(64).fill(255),
  ];
  for (const other of others) {
    const text = `${head}.${payload}.${toBase64(other)}`;
    assertEquals(await accepts(text, keyOf(es)), false);
  }
});

Deno.test("readProof() reads nothing but a JWT of this type", async () => {
  const headers = [
    { typ: "JWT" },
    { typ: "DBSC+JWT" },
    { typ: undefined },
    { typ: ["dbsc+jwt"] },
    { crit: ["exp"], exp: 1 },
    { crit: [] },
    { crit: null },
  ];
  for (const header of headers) {
    const jwt = await es.refresh(CHALLENGE, { header });
    assertEquals(readProof(jwt), undefined, JSON.stringify(header));
  }
  for (const jti of [undefined, null, 7, {}, ["a"]]) {
    const jwt = await es.refresh(CHALLENGE, { payload: { jti } });
    assertEquals(readProof(jwt), undefined, JSON.stringify(jti));
  }
});

Deno.test("readProof() survives any text", async () => {
  const jwt = await es.register(CHALLENGE);
  const [head, payload, signature] = jwt.split(".") as [string, string, string];
  const texts: (string | null)[] = [
    null,
    "",
    ".",
    "..",
    "...",
    '"',
    '""',
    '"..";',
    `${jwt}.`,
    `${jwt}.${payload}`,
    `${head}.${payload}`,
    `${head}.${payload}.!`,
    `${head}.${payload}.${signature}=`,
    `${toBase64("{")}.${payload}.${signature}`,
    `${toBase64("[]")}.${payload}.${signature}`,
    `${toBase64("null")}.${payload}.${signature}`,
    `${toBase64('"typ"')}.${payload}.${signature}`,
    `${toBase64(new Uint8Array([0xff, 0xfe]))}.${payload}.${signature}`,
    `${head}.${toBase64("{")}.${signature}`,
    `${head}.${toBase64("[1]")}.${signature}`,
    "a".repeat(8_193),
    `${jwt}${"a".repeat(8_192)}`,
    `${".".repeat(8_192)}`,
    `${"{".repeat(100)}`,
  ];
  for (const text of texts) assertEquals(readProof(text), undefined);
  const padded = (size: number) =>
    es.refresh(CHALLENGE, { payload: { a: "a".repeat(size) } });
  assertEquals(readProof(await padded(5_000))?.challenge, CHALLENGE);
  assertEquals(readProof(await padded(7_000)), undefined);
});
