import type { SessionStore } from "../../src/core/store.ts";

/** The calls of a store that can be held back. */
export type HeldCall =
  | "load"
  | "save"
  | "create"
  | "update"
  | "delete"
  | "deleteOldSessions";

/** A call that is held back. */
export interface Hold {
  /** Resolves when the call is made. */
  readonly isReached: Promise<void>;
  /** Lets the call go on; if it is never called, the process was killed there. */
  release(): void;
}

/**
 * Returns a handle of a store that holds one call back.
 *
 * @param store The store.
 * @param call The call that is held back.
 * @param skip How many such calls go through before.
 */
export function holdBack(
  store: SessionStore,
  call: HeldCall,
  skip = 0,
): Hold & { readonly store: SessionStore } {
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const run = (store[call] as (...args: unknown[]) => Promise<unknown>)
    .bind(store);
  const handle = new Proxy(store, {
    get: (_, name) => {
      const value = store[name as keyof SessionStore];
      if (name !== call) {
        return typeof value === "function" ? value.bind(store) : value;
      }
      return async (...args: unknown[]) => {
        if (skip-- === 0) {
          reached.resolve();
          await go.promise;
        }
        return await run(...args);
      };
    },
  });
  return { store: handle, isReached: reached.promise, release: go.resolve };
}
