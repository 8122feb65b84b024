import { DirectorySessionStore } from "../../../src/stores/directory_store.ts";
import type { Adapter, Value } from "../contestant.ts";

export const adapter: Adapter = {
  name: "@latchkey/session",
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
      close() {},
    };
  },
};
