/**
 * Runs as a process of its own that may open few files: makes each change with
 * one file descriptor left, with two, and so on, and prints how each ended.
 */

import type { SessionRecord } from "../../src/core/record.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, USER } from "../constants.ts";
import { sessionOf } from "./scenes.ts";

/** A change with some descriptors left. */
export interface Change {
  readonly name: string;
  readonly left: number;
  /** Whether it was acknowledged. */
  readonly isDone: boolean;
  /** Whether the record is the new one. */
  readonly isWritten: boolean;
}

const MOST_LEFT = 6;
const BEFORE = sessionOf(1, { user: USER });
const AFTER = sessionOf(2);

const CHANGES: Readonly<
  Record<string, (store: DirectorySessionStore) => Promise<unknown>>
> = {
  "logout by update": (store) => store.update(ID, () => AFTER),
  "login of another": (store) =>
    store.update(ID, () => ({ ...AFTER, user: "bob" })),
  "save": (store) => store.save(ID, AFTER),
  "update that deletes": (store) => store.update(ID, () => undefined),
  "delete": (store) => store.delete(ID),
};

function isNew(record: SessionRecord | undefined): boolean {
  return record?.data.n !== BEFORE.data.n;
}

if (import.meta.main) {
  const directory = Deno.args[0]!;
  const durability = Deno.args[1] as "process" | "power";
  const changes: Change[] = [];
  for (const [name, change] of Object.entries(CHANGES)) {
    for (let left = 1; left <= MOST_LEFT; left++) {
      using store = new DirectorySessionStore(directory, {
        durability,
        onWarning: () => {},
      });
      await store.save(ID, BEFORE);
      const files: Deno.FsFile[] = [];
      try {
        for (;;) files.push(Deno.openSync(`${directory}/${ID}`));
      } catch {
        for (let n = 0; n < left; n++) files.pop()?.close();
      }
      const isDone = await change(store).then(() => true, () => false);
      for (const file of files) file.close();
      const isWritten = isNew(await store.load(ID));
      changes.push({ name, left, isDone, isWritten });
    }
  }
  console.log(JSON.stringify(changes));
}
