/**
 * Runs as a process that has no right to open the files of others: calls a store
 * on a session whose file is another user's, and prints the answers and warnings.
 */

import { SessionUnreadableError } from "../../src/core/errors.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, OTHER_ID, USER } from "../constants.ts";
import { sessionOf } from "./scenes.ts";

/** What the script prints. */
export interface Report {
  readonly answers: Readonly<Record<string, unknown>>;
  readonly warnings: readonly (readonly [type: string, path: string])[];
  readonly messages: readonly string[];
}

if (import.meta.main) {
  const directory = Deno.args[0]!;
  const warnings: StoreWarning[] = [];
  const store = new DirectorySessionStore(directory, {
    onWarning: (warning) => warnings.push(warning),
  });
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
