/** Notices when a prototype that all share was changed. */

import { assertEquals } from "@std/assert";

const SHARED: Readonly<Record<string, object>> = {
  Object: Object.prototype,
  Array: Array.prototype,
  Function: Function.prototype,
  String: String.prototype,
  Number: Number.prototype,
  Map: Map.prototype,
  Uint8Array: Uint8Array.prototype,
};

function describe(): Record<string, PropertyDescriptorMap> {
  return Object.fromEntries(
    Object.entries(SHARED).map(([name, prototype]) => [
      name,
      Object.fromEntries(
        Reflect.ownKeys(prototype).map((key) => [
          String(key),
          Reflect.getOwnPropertyDescriptor(prototype, key)!,
        ]),
      ),
    ]),
  );
}

const BEFORE = describe();

/** Asserts that the shared prototypes are as they were at the beginning. */
export function assertUnpolluted(): void {
  for (const [name, after] of Object.entries(describe())) {
    const before = BEFORE[name]!;
    assertEquals(Object.keys(after).sort(), Object.keys(before).sort(), name);
    for (const [key, { value, get, set }] of Object.entries(after)) {
      const same = before[key]!.value === value && before[key]!.get === get &&
        before[key]!.set === set;
      assertEquals(same, true, `${name}.prototype.${key} was replaced`);
    }
  }
  assertEquals("polluted" in {}, false);
}
