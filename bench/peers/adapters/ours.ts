import { DirectorySessionStore } from "../../../src/directory/directory_store.ts";
import { Floors } from "../../floors.ts";
import type { Adapter, Value } from "../contestant.ts";

const DAY = 24 * 60 * 60 * 1000;
const OURS = "@latchkey/session";

/** The bare calls of one process. */
const floors: Adapter = {
  name: "system calls",
  kind: "floor",
  note: "`bench/floors.ts`: the bare synchronous calls of one process, " +
    `in the directory of ${OURS}; cleanup: list, lstat, unlink what ` +
    "is old",
  runtimes: ["Deno"],
  packages: {},
  columns: ["load", "touch", "save", "update", "mixed", "clean", "many"],
  beside: OURS,
  open(directory) {
    const floors = new Floors(directory);
    return {
      load: (id) => floors.load(id),
      touch: (id) => floors.loadAndTouch(id, () => true),
      create: (id, value) => floors.create(id, value),
      save: (id, value) => floors.save(id, value),
      update: (id, change) => floors.update(id, change),
      fill(sessions) {
        const old = Date.now() - 2 * DAY;
        for (const { id, value, isExpired } of sessions) {
          const path = `${directory}/${id}.json`;
          Deno.writeTextFileSync(path, JSON.stringify(value), { mode: 0o600 });
          if (isExpired) Deno.utimeSync(path, old / 1000, old / 1000);
        }
      },
      async clean() {
        const since = Date.now() - DAY;
        let deleting = 0;
        for await (const { name } of Deno.readDir(directory)) {
          const path = `${directory}/${name}`;
          if (Deno.lstatSync(path).mtime!.getTime() >= since) continue;
          const begin = performance.now();
          Deno.removeSync(path);
          deleting += performance.now() - begin;
        }
        return deleting;
      },
    };
  },
};

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The bare calls that several processes need. */
const sharedFloors: Adapter = {
  name: "system calls, shared",
  kind: "floor",
  note: "the bare synchronous calls that four processes need: to load, the " +
    "shared lock; to update, the exclusive lock, which the kernel waits for, " +
    "and rename over, from the start where another file is behind the name",
  runtimes: ["Deno"],
  packages: {},
  columns: ["race"],
  open(directory) {
    const buffer = new Uint8Array(64 * 1024);
    let temporary = 0;
    const pathOf = (id: string) => `${directory}/${id}.json`;
    const write = (path: string, value: unknown) => {
      const file = Deno.openSync(path, { write: true, createNew: true });
      file.writeSync(encoder.encode(JSON.stringify(value)));
      file.close();
    };
    const read = (file: Deno.FsFile): unknown => {
      const length = file.readSync(buffer) ?? 0;
      return JSON.parse(decoder.decode(buffer.subarray(0, length)));
    };
    const hold = (path: string): Deno.FsFile => {
      for (;;) {
        const file = Deno.openSync(path, { read: true, write: true });
        file.lockSync(true);
        const { dev, ino } = file.statSync();
        const behind = Deno.lstatSync(path);
        if (behind.dev === dev && behind.ino === ino) return file;
        file.close();
      }
    };
    return {
      load(id) {
        using file = Deno.openSync(pathOf(id));
        file.lockSync(false);
        return read(file);
      },
      save: (id, value) => write(pathOf(id), value),
      update(id, change) {
        const path = pathOf(id);
        // Unlocks on an error, too: this process would wait for itself.
        using held = hold(path);
        const fresh = `${directory}/${Deno.pid}-${temporary++}.tmp`;
        write(fresh, change(read(held)));
        Deno.renameSync(fresh, path);
      },
    };
  },
};

const latchkey: Adapter = {
  name: OURS,
  kind: "ours",
  note: "`DirectorySessionStore` with its defaults",
  runtimes: ["Deno"],
  packages: {},
  open(directory) {
    const store = new DirectorySessionStore(directory);
    return {
      load: (id) => store.load(id),
      touch: (id) => store.load(id, { touch: () => true }),
      save: (id, value) => store.save(id, value),
      async update(id, change) {
        await store.update(id, (record): Value => change(record));
      },
      async fill(sessions) {
        const now = Date.now();
        for (const { id, value, isExpired } of sessions) {
          const expiresAt = isExpired ? now - 1 : now + DAY;
          await store.save(id, { ...value, expiresAt });
        }
      },
      async clean() {
        await store.deleteOldSessions(60);
      },
    };
  },
};

/** Those that run under Deno only. */
export const adapters: readonly Adapter[] = [floors, sharedFloors, latchkey];
