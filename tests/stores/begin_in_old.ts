import type { SessionStore } from "../../src/core/store.ts";
import { MigratingSessionStore } from "../../src/stores/migrating_session_store.ts";
import { moveSession } from "../../src/stores/move_session.ts";

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
  return new Proxy(store, {
    get: (_, name) => {
      const value = store[name as keyof MigratingSessionStore];
      if (typeof value !== "function") return value;
      const call = value as (...args: unknown[]) => unknown;
      if (name === "entries") return call.bind(store);
      return async (...args: unknown[]): Promise<unknown> => {
        underWay++;
        try {
          const result = await call.apply(store, args);
          if (
            underWay === 1 &&
            ["save", "create", "update"].includes(`${String(name)}`) &&
            isMovedBack()
          ) {
            await moveSession(to, from, args[0] as string, {});
          }
          return result;
        } finally {
          underWay--;
        }
      };
    },
  });
}
