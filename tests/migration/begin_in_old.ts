import type { SessionRecord } from "../../src/core/record.ts";
import type { EntriesOptions, SessionStore } from "../../src/core/store.ts";
import { MigratingSessionStore } from "../../src/migration/migrating_store.ts";
import { moveSession } from "../../src/migration/move_session.ts";

const WRITES: ReadonlySet<string | symbol> = new Set([
  "save",
  "create",
  "update",
]);

/**
 * Finds a session in a listing. A load would not do: an engine removes an
 * expired session when it is loaded.
 */
export async function findLive(
  store: SessionStore,
  id: string,
): Promise<SessionRecord | undefined> {
  for await (const [live, record] of store.entries()) {
    if (live === id) return record;
  }
  return undefined;
}

/**
 * Returns a `MigratingSessionStore` whose sessions begin in the old store: after
 * a write, the session is moved back there, unless another call is under way.
 *
 * @param from The old store.
 * @param to The new store.
 * @param isMovedBack Tells whether to move a session back; by default, always.
 * @param now The clock.
 */
export function beginInOld(
  from: SessionStore,
  to: SessionStore,
  isMovedBack: () => boolean = () => true,
  now?: () => number,
): SessionStore {
  const store = new MigratingSessionStore(from, to, { now });
  let underWay = 0;
  // A session moved back during a listing would be listed again and again.
  async function* entries(options?: EntriesOptions) {
    underWay++;
    try {
      yield* store.entries(options);
    } finally {
      underWay--;
    }
  }
  return new Proxy(store, {
    get: (_, name) => {
      const value = store[name as keyof MigratingSessionStore];
      if (typeof value !== "function") return value;
      if (name === "entries") return entries;
      const call = value as (...args: unknown[]) => unknown;
      return async (...args: unknown[]): Promise<unknown> => {
        underWay++;
        try {
          const result = await call.apply(store, args);
          const isWritten = WRITES.has(name) && underWay === 1;
          const id = args[0] as string;
          if (isWritten && isMovedBack() && await findLive(to, id)) {
            await moveSession(to, from, id, {});
          }
          return result;
        } finally {
          underWay--;
        }
      };
    },
  });
}
