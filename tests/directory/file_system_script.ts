/** Prints the type of the file system of a path, or null. */

import { system } from "../../src/system/system.ts";

console.log(JSON.stringify(system.fileSystemType(Deno.args[0]!) ?? null));
