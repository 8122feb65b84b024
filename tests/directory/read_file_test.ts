import { assert, assertEquals } from "@std/assert";
import { readOnce, readWhole } from "../../src/directory/read_file.ts";
import { system } from "../../src/system/system.ts";
import { recordSystem, replaceSystem } from "../replaced_system.ts";
import { LENGTHS, longBytes } from "./long_bytes.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const NAME = "0123456789abcdef";

Deno.test("readOnce() and readWhole() return all that a file holds", () => {
  using directory = new TemporaryDirectory();
  for (const size of LENGTHS) {
    const bytes = longBytes(size);
    Deno.writeFileSync(directory.join(NAME), bytes);
    for (
      const read of [readOnce, (file: Deno.FsFile) => readWhole(file, size)]
    ) {
      using file = Deno.openSync(directory.join(NAME));
      assertEquals(read(file).slice(), bytes, `${size}`);
    }
  }
});

Deno.test("readOnce() reads a small file with one call", () => {
  using directory = new TemporaryDirectory();
  Deno.writeFileSync(directory.join(NAME), longBytes(4_096));
  using file = system.open(directory.join(NAME), { read: true });
  using recorded = recordSystem(directory.path);
  readOnce(file);
  assertEquals(recorded.calls.length, 1);
});

Deno.test("readWhole() reads on until it has every piece of a file", () => {
  using directory = new TemporaryDirectory();
  const { read } = system;
  for (const piece of [1, 7, 4_096, 60_000]) {
    using _replaced = replaceSystem({
      read: (file, into) => read(file, into.subarray(0, piece)),
    });
    const bytes = longBytes(piece === 1 ? 3_000 : 150_000);
    Deno.writeFileSync(directory.join(NAME), bytes);
    using file = Deno.openSync(directory.join(NAME));
    assertEquals(readWhole(file, bytes.length).slice(), bytes);
    using again = Deno.openSync(directory.join(NAME));
    assert(readOnce(again).length <= piece, "readOnce() reads once");
  }
});

Deno.test("reading keeps no memory of a large file", () => {
  using directory = new TemporaryDirectory();
  const sizes: number[] = [];
  const { read } = system;
  using _replaced = replaceSystem({
    read: (file, into) => {
      sizes.push(into.length);
      return read(file, into);
    },
  });
  for (const size of [10, 500_000, 10]) {
    Deno.writeFileSync(directory.join(NAME), longBytes(size));
    using file = Deno.openSync(directory.join(NAME));
    sizes.length = 0;
    assertEquals(readOnce(file).length, size);
  }
  assertEquals(sizes, [65_536]);
});
