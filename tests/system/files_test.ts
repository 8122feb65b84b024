import { assertEquals, assertThrows } from "@std/assert";
import {
  isNotFile,
  openExisting,
  removeIfThere,
} from "../../src/system/files.ts";
import { makeLinks } from "../special_files.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const NAME = "0123456789abcdef";

function makeFile(directory: TemporaryDirectory): string {
  const path = directory.join(NAME);
  Deno.writeTextFileSync(path, "");
  return path;
}

Deno.test("openExisting() throws the original error, but not for a missing name", () => {
  using directory = new TemporaryDirectory();
  assertEquals(openExisting(directory.join("none"), true), undefined);
  assertThrows(
    () => openExisting(directory.path, true),
    Deno.errors.IsADirectory,
  );
  assertThrows(
    () => openExisting(`${makeFile(directory)}/below`, false),
    Deno.errors.NotADirectory,
  );
});

Deno.test("isNotFile() is true only for links and directories", () => {
  using directory = new TemporaryDirectory();
  const path = makeFile(directory);
  makeLinks({ [directory.join("link")]: path });
  assertEquals(isNotFile(path), false);
  assertEquals(isNotFile(directory.join("none")), false);
  assertEquals(isNotFile(directory.join("link")), true);
  assertEquals(isNotFile(directory.path), true);
});

Deno.test("removeIfThere() is false when the file is missing", () => {
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(directory.join(NAME), "x");
  assertEquals(removeIfThere(directory.join(NAME)), true);
  assertEquals(removeIfThere(directory.join(NAME)), false);
  Deno.mkdirSync(directory.join("full"));
  Deno.writeTextFileSync(directory.join("full/x"), "x");
  assertThrows(() => removeIfThere(directory.join("full")));
});
