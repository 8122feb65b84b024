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
 * Finds a session without asking for it: an engine removes what has just ended
 * when it is asked.
 *
 * @param store Where it is, if anywhere.
 * @param id The session ID.
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
 * Gives a `MigratingSessionStore` whose sessions begin in the old store: what
 * is written is moved back there, unless something else is under way.
 *
 * @param from The old store.
 * @param to The new one.
 * @param isMovedBack Tells which; all, without it.
 * @param now The clock.
 */
export function beginInOld(
  from: SessionStore,
  to: SessionStore,
  isMovedBack: () => boolean = () => true,
  now?: () => number,
): SessionStore {
  const store = new MigratingSessionStore(from, to, now);
  let underWay = 0;
  // What is moved back meanwhile would come up again and again.
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
