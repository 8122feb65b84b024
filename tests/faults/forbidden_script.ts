/**
 * Runs as a process that has no right to open the files of others: calls a store
 * on a session whose file is another user's, and a manager on one whose file it may
 * only read and on one that it may not; prints the answers and warnings.
 */

import { SessionUnreadableError } from "../../src/core/errors.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { HOUR, ID, OTHER_ID, USER } from "../constants.ts";
import { sessionOf } from "./scenes.ts";

/** What the script prints. */
export interface Report {
  readonly answers: Readonly<Record<string, unknown>>;
  readonly warnings: readonly (readonly [type: string, path: string])[];
  readonly messages: readonly string[];
}

if (import.meta.main) {
  const [directory = "", cookie = "", barred = ""] = Deno.args;
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory, {
    onWarning: (warning) => warnings.push(warning),
  });
  const options = { store, idleTimeout: HOUR, touchAfter: 0 };
  const manager = new SessionManager<{ n: number }>(options);
  const request = async (
    act: (session: Session<{ n: number }>) => void,
    token = cookie,
  ) => {
    const headers = { cookie: token };
    const brought = new Request("http://localhost/", { headers });
    const response = await manager.run(brought, (session) => {
      act(session);
      return new Response(session.user);
    });
    return await response.text();
  };
  const anns = sessionOf(2, { user: USER });
  const idsOf = async (user?: string) => {
    const entries = await Array.fromAsync(store.entries({ user }));
    return entries.map(([id]) => id).sort();
  };
  const calls: Record<string, () => Promise<unknown>> = {
    load: () => store.load(ID),
    "load and touch": () => store.load(ID, { touch: () => true }),
    has: () => store.has(ID),
    touch: () => store.touch(ID),
    update: () => store.update(ID, () => anns),
    "must be readable": () => store.load(ID, { mustBeReadable: true }),
    delete: () => store.delete(ID),
    save: () => store.save(ID, anns),
    create: () => store.create(ID, anns),
    entries: () => idsOf(),
    "entries of a user": () => idsOf(USER),
    login: () => store.update(OTHER_ID, () => anns),
    "logged in": async () => (await store.load(OTHER_ID))?.user,
    logout: () => store.delete(OTHER_ID),
    "request that reads": () => request(() => {}),
    "request that changes": () => request((session) => session.set("n", 1)),
    "request that logs out": () => request((session) => session.destroy()),
    "request that signs out": () => request((session) => session.setUser(null)),
    "barred request": () => request(() => {}, barred),
    "barred logout": () => request((session) => session.destroy(), barred),
  };
  const answers: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(calls)) {
    answers[name] = await call().then(
      (answer) => answer ?? null,
      (error) =>
        error instanceof SessionUnreadableError
          ? [error.name, (error.cause as Error).name]
          : error.name,
    );
  }
  const report: Report = {
    answers,
    warnings: warnings.map(({ type, path }) => [type, path!]),
    messages: warnings.map(({ message }) => message),
  };
  console.log(JSON.stringify(report));
}
