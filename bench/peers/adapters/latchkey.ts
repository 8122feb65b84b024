import { DirectorySessionStore } from "../../../src/directory/directory_store.ts";
import type { Adapter, Value } from "../contestant.ts";

const DAY = 24 * 60 * 60 * 1000;

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
      async fill(sessions) {
        const now = Date.now();
        for (const { id, value, isOver } of sessions) {
          const expiresAt = isOver ? now - 1 : now + DAY;
          await store.save(id, { ...value, expiresAt });
        }
      },
      async clean() {
        await store.deleteOldSessions(60);
      },
      close() {},
    };
  },
};
