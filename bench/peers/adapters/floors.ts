import { Floors } from "../../floors.ts";
import type { Adapter } from "../contestant.ts";

const DAY = 24 * 60 * 60 * 1000;

export const adapter: Adapter = {
  name: "system calls",
  kind: "floor",
  note: "`bench/floors.ts`: the bare synchronous calls of one process, " +
    "in the directory of @latchkey/session; cleanup: list, lstat, unlink what " +
    "is old",
  runtimes: ["Deno"],
  packages: {},
  columns: ["load", "touch", "save", "update", "mixed", "clean", "many"],
  beside: "@latchkey/session",
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
        for (const { id, value, isOver } of sessions) {
          const path = `${directory}/${id}.json`;
          Deno.writeTextFileSync(path, JSON.stringify(value), { mode: 0o600 });
          if (isOver) Deno.utimeSync(path, old / 1000, old / 1000);
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
      close() {},
    };
  },
};
