import { Floors } from "../../floors.ts";
import type { Adapter } from "../contestant.ts";

export const adapter: Adapter = {
  name: "system calls",
  kind: "floor",
  note: "`bench/floors.ts`: the bare synchronous calls of one process, " +
    "in the directory of @latchkey/session",
  runtimes: ["Deno"],
  packages: {},
  beside: "@latchkey/session",
  isAlone: true,
  open(directory) {
    const floors = new Floors(directory);
    return {
      load: (id) => floors.load(id),
      touch: (id) => floors.loadAndTouch(id, () => true),
      create: (id, value) => floors.create(id, value),
      save: (id, value) => floors.save(id, value),
      update: (id, change) => floors.update(id, change),
      close() {},
    };
  },
};
