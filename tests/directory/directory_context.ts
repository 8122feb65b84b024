import { Warnings } from "../../src/core/warnings.ts";
import type { DirectoryContext } from "../../src/directory/atomic_file.ts";

/**
 * Makes the context of a directory, as a store has it after its setup.
 *
 * @param directory The directory.
 * @param rest What is other than usual.
 */
export function contextOf(
  directory: string,
  rest: Partial<DirectoryContext> = {},
): DirectoryContext {
  return {
    directory,
    durability: "process",
    needsMode: false,
    device: 0,
    owner: 0,
    warnings: new Warnings(),
    ...rest,
  };
}
