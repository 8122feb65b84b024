import { assertEquals, assertNotEquals } from "@std/assert";
import { deriveKey, seal, unseal } from "../../src/core/seal.ts";

const SECRETS = ["a secret", "another"];
const ID = "0123456789abcdef";
const KEY = deriveKey(SECRETS, ID, "purpose");

Deno.test("unseal() returns the text that seal() was given", () => {
  for (const text of ["", "x", "ä 🍪", "x".repeat(100_000)]) {
    assertEquals(unseal(KEY, seal(KEY, text)), text);
  }
});

Deno.test("a key is for these secrets in this order, this session and this purpose", () => {
  const sealed = seal(KEY, "text");
  assertEquals(unseal(deriveKey([...SECRETS], ID, "purpose"), sealed), "text");
  const others = [
    deriveKey(["a secret"], ID, "purpose"),
    deriveKey(SECRETS.toReversed(), ID, "purpose"),
    deriveKey(["a secretanother"], ID, "purpose"),
    deriveKey(SECRETS, "fedcba9876543210", "purpose"),
    deriveKey(SECRETS, ID, "another purpose"),
  ];
  for (const other of others) assertEquals(unseal(other, sealed), undefined);
});

Deno.test("the same text is sealed differently each time", () => {
  assertNotEquals(seal(KEY, "text"), seal(KEY, "text"));
});

Deno.test("unseal() refuses a text that was changed, cut or invented", () => {
  const sealed = seal(KEY, "text");
  for (let at = 0; at < sealed.length; at++) {
    assertEquals(unseal(KEY, sealed.slice(0, at)), undefined);
  }
  for (const junk of ["", "=", "ä", "!", "A".repeat(37), `${sealed}AAAA`]) {
    assertEquals(unseal(KEY, junk), undefined);
  }
});
