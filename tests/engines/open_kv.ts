import { KvSessionStore } from "../../src/engines/kv.ts";
import { untilUnlocked } from "../../src/engines/locked_database.ts";
import type { OpenedStore } from "../contract/open_store.ts";
import { Breakable } from "./breakable.ts";

/**
 * Opens a store in a file of `Deno.Kv`.
 *
 * @param path The file.
 * @param now The store's clock.
 */
export async function openKv(
  path: string,
  now: (() => number) | undefined,
): Promise<OpenedStore> {
  // Several clients open a new file at once.
  const kv = await untilUnlocked(() => Deno.openKv(path));
  const breakable = new Breakable();
  const checked = new Proxy(kv, {
    get: (_, name: "getMany" | "list" | "atomic") => {
      breakable.check();
      return kv[name].bind(kv);
    },
  });
  return {
    store: new KvSessionStore(checked, { now }),
    breakDown: (error) => breakable.breakDown(error),
    [Symbol.asyncDispose]: () => Promise.resolve(kv.close()),
  };
}
