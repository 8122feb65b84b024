/**
 * A process that moves sessions. Told a number, it stops before it deletes that
 * one from the old store, says so, and waits to be killed.
 */

import { migrateSessions } from "../../src/migration/move_session.ts";
import { openMigrating } from "../engines/open_migrating.ts";
import type { MigratingPlace } from "../contract/open_store.ts";

const place: MigratingPlace = JSON.parse(Deno.args[0]!);
let left = Number(Deno.args[1]);
await using opened = await openMigrating(place);
const { from, to } = opened;
const remove = from.delete.bind(from);
from.delete = (id, options) => {
  if (--left === 0) {
    console.log("stopped");
    Deno.stdin.readSync(new Uint8Array(1));
  }
  return remove(id, options);
};
await migrateSessions(from, to);
