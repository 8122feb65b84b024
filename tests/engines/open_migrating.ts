import type { SessionStore } from "../../src/core/store.ts";
import { MigratingSessionStore } from "../../src/migration/migrating_store.ts";
import {
  type MigratingPlace,
  type OpenedStore,
  openStore,
} from "../contract/open_store.ts";

/** A store of sessions that move, and the two between which they do. */
export interface OpenedMigration extends OpenedStore {
  readonly from: SessionStore;
  readonly to: SessionStore;
}

/**
 * Opens the stores of sessions that move.
 *
 * @param place Where they are.
 */
export async function openMigrating(
  place: MigratingPlace,
): Promise<OpenedMigration> {
  await using stack = new AsyncDisposableStack();
  const from = stack.use(
    await openStore({ kind: "directory", path: place.from }),
  ).store;
  const to = stack.use(
    await openStore({ kind: "sqlite", path: place.to }),
  ).store;
  const opened = stack.move();
  return {
    from,
    to,
    store: new MigratingSessionStore(from, to),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
