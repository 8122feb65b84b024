/**
 * A process that cleans a store as often as it can, until a cleanup of its own
 * finds nothing old. The argument is the store's place. It prints `"ready"`, waits
 * for a line, and prints how many sessions it has deleted.
 */

import { cleanUpEvery } from "../../src/manager/clean_up_every.ts";
import { openStore } from "../contract/open_store.ts";

await using opened = await openStore(JSON.parse(Deno.args[0]!));
await opened.store.setup();
console.log("ready");
Deno.stdin.readSync(new Uint8Array(1));

const { promise, resolve, reject } = Promise.withResolvers<number>();
let sum = 0;
using _cleanups = cleanUpEvery(opened.store, 1, {
  minutes: 30,
  grace: 0,
  onResult: (result) => {
    if (result.status === "rejected") return reject(result.reason);
    const { deleted, isBusy } = result.value;
    sum += deleted;
    if (deleted === 0 && !isBusy) resolve(sum);
  },
});
// It waits with a timer that keeps no process running.
const running = setInterval(() => {}, 60_000);
try {
  console.log(await promise);
} finally {
  clearInterval(running);
}
