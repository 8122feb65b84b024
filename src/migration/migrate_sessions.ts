import type { SessionStore, StoreOptions } from "../core/store.ts";
import { moveSession } from "./move_session.ts";

/** What {@linkcode migrateSessions} takes. */
export interface MigrationOptions extends StoreOptions {
  /**
   * Is told after each session how many were moved.
   *
   * @default {undefined}
   */
  readonly onProgress?: ((moved: number) => void) | undefined;
}

/**
 * Moves all sessions from one store to another, with their lifetimes and last
 * accesses, until the old one has none. Servers may be at work meanwhile, if
 * all of them use a `MigratingSessionStore` of the two; who uses the old store
 * by itself sees its sessions vanish. Killed and called again, it goes on.
 *
 * @param from Where they are.
 * @param to Where they go.
 * @param options See there.
 * @returns How many were moved by this call.
 * @throws What either store throws, such as that one is too large for the new
 * one. No session is lost by that, and the others can still be moved.
 *
 * @example From a directory to SQLite
 * ```ts
 * import {
 *   DirectorySessionStore,
 *   migrateSessions,
 *   SqliteSessionStore,
 * } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 * import { DatabaseSync } from "node:sqlite";
 *
 * const directory = await Deno.makeTempDir();
 * const from = new DirectorySessionStore(directory);
 * await from.save("0123456789abcdef", { data: {}, createdAt: Date.now() });
 *
 * const to = new SqliteSessionStore(new DatabaseSync(":memory:"));
 * assertEquals(await migrateSessions(from, to), 1);
 * assertEquals(await to.has("0123456789abcdef"), true);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function migrateSessions(
  from: SessionStore,
  to: SessionStore,
  options: MigrationOptions = {},
): Promise<number> {
  const { signal, onProgress } = options;
  await to.setup();
  let moved = 0;
  for (;;) {
    let found = 0;
    // One listing may miss some.
    for await (const [id] of from.entries({ signal })) {
      found++;
      if (!await moveSession(from, to, id, { signal })) continue;
      moved++;
      onProgress?.(moved);
    }
    if (found === 0) return moved;
  }
}
