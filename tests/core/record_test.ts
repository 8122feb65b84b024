import { assertEquals, assertThrows } from "@std/assert";
import { cleanupRule, fromJson, isExpired } from "../../src/core/record.ts";
import { MINUTE } from "../constants.ts";

Deno.test("isExpired() is always false without a lifetime", () => {
  for (const now of [0, 1, Number.MAX_SAFE_INTEGER, Infinity]) {
    assertEquals(isExpired({}, 0, now), false);
  }
});

Deno.test("isExpired() is true from expiresAt on", () => {
  const lifetime = { expiresAt: 1_000 };
  assertEquals(isExpired(lifetime, 0, 999), false);
  assertEquals(isExpired(lifetime, 0, 1_000), true);
  assertEquals(isExpired(lifetime, 0, 1_001), true);
  assertEquals(isExpired(lifetime, 5_000, 1_000), true);
  assertEquals(isExpired({ expiresAt: 0 }, 0, 0), true);
});

Deno.test("isExpired() is true from idleTimeout after the last access", () => {
  const lifetime = { idleTimeout: 100 };
  assertEquals(isExpired(lifetime, 1_000, 1_099), false);
  assertEquals(isExpired(lifetime, 1_000, 1_100), true);
  assertEquals(isExpired(lifetime, 1_001, 1_100), false);
  assertEquals(isExpired({ idleTimeout: 0 }, 1_000, 1_000), true);
});

Deno.test("isExpired() applies the limit that comes first", () => {
  const lifetime = { expiresAt: 1_000, idleTimeout: 100 };
  assertEquals(isExpired(lifetime, 850, 949), false);
  assertEquals(isExpired(lifetime, 850, 950), true);
  assertEquals(isExpired(lifetime, 950, 999), false);
  assertEquals(isExpired(lifetime, 950, 1_000), true);
});

Deno.test("isExpired() is false for a last access in the future", () => {
  assertEquals(isExpired({ idleTimeout: 100 }, 5_000, 1_000), false);
  assertEquals(isExpired({ idleTimeout: 0 }, 5_000, 1_000), false);
});

Deno.test("cleanupRule() applies minutes to sessions without a lifetime", () => {
  const isDue = cleanupRule(30, 0);
  const now = 100 * MINUTE;
  assertEquals(isDue({}, now - 30 * MINUTE + 1, now), false);
  assertEquals(isDue({}, now - 30 * MINUTE, now), true);
  assertEquals(isDue({}, now + 1, now), false);
  assertEquals(isDue({ expiresAt: now + 1 }, 0, now), false);
  assertEquals(isDue({ expiresAt: now }, now, now), true);
  assertEquals(isDue({ idleTimeout: 90 * MINUTE }, 11 * MINUTE, now), false);
  assertEquals(isDue({ idleTimeout: 90 * MINUTE }, 10 * MINUTE, now), true);
  assertEquals(isDue({ idleTimeout: MINUTE }, now - MINUTE, now), true);
});

Deno.test("cleanupRule() adds the grace to every time", () => {
  const grace = 500;
  const isDue = cleanupRule(30, grace);
  const now = 100 * MINUTE;
  const limit = now - grace;
  assertEquals(isDue({}, limit - 30 * MINUTE + 1, now), false);
  assertEquals(isDue({}, limit - 30 * MINUTE, now), true);
  assertEquals(isDue({ expiresAt: limit + 1 }, 0, now), false);
  assertEquals(isDue({ expiresAt: limit }, 0, now), true);
  assertEquals(isDue({ idleTimeout: 100 }, limit - 99, now), false);
  assertEquals(isDue({ idleTimeout: 100 }, limit - 100, now), true);
});

Deno.test("cleanupRule() with 0 minutes deletes every session that is not used right now", () => {
  const isDue = cleanupRule(0, 0);
  assertEquals(isDue({}, 1_000, 1_000), true);
  assertEquals(isDue({}, 1_001, 1_000), false);
});

Deno.test("cleanupRule() accepts Infinity, which means never", () => {
  assertEquals(cleanupRule(Infinity, 0)({}, 0, 1e15), false);
  assertEquals(cleanupRule(0, Infinity)({}, 0, 1e15), false);
  assertEquals(cleanupRule(Infinity, Infinity)({}, 0, 1e15), false);
  assertEquals(cleanupRule(0, Infinity)({ expiresAt: 0 }, 0, 1e15), false);
});

Deno.test("cleanupRule() refuses minutes and a grace that are not a number from 0 up", () => {
  const bad = [NaN, -1, -Infinity, "30", "", null, undefined, [], {}, true, 1n];
  for (const value of bad as number[]) {
    const refusal = typeof value === "number" ? RangeError : TypeError;
    assertThrows(() => cleanupRule(value, 0), refusal, "minutes");
    assertThrows(() => cleanupRule(0, value), refusal, "grace");
  }
});

Deno.test("fromJson() accepts unknown members of any name", () => {
  for (const name of ["unknown", "toString", "constructor", "hasOwnProperty"]) {
    const record = { createdAt: 1, data: {}, [name]: 1 };
    assertEquals(fromJson(JSON.stringify(record)), record);
  }
});

Deno.test("fromJson() refuses a device, or the offer to bind one, of another shape", () => {
  const device = { key: { alg: "ES256" }, nonce: "n", provenAt: 1, until: 2 };
  const offer = { hash: "h", until: 1 };
  const read = (members: object) =>
    fromJson(JSON.stringify({ data: {}, createdAt: 0, ...members }));
  assertEquals(typeof read({ device, deviceOffer: offer }), "object");
  const misfits = [
    null,
    "device",
    [],
    {},
    { ...device, key: { alg: 7 } },
    { ...device, key: "key" },
    { ...device, nonce: undefined },
    { ...device, provenAt: -1 },
    { ...device, until: "2" },
  ];
  for (const misfit of misfits) {
    assertEquals(read({ device: misfit }), "unreadable");
  }
  for (const misfit of [null, {}, { hash: "h" }, { ...offer, until: 0.5 }]) {
    assertEquals(read({ deviceOffer: misfit }), "unreadable");
  }
});
