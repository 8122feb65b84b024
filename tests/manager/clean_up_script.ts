/** A process that ends although a cleanup would be due within weeks. */

import { cleanUpEvery, MemorySessionStore } from "../../mod.ts";

cleanUpEvery(new MemorySessionStore(), 20 * 24 * 60 * 60 * 1000);
console.log("ended");
