import { join } from "node:path";
import { type Adapter, importPackage } from "../contestant.ts";

interface Lmdb {
  open(options: { path: string }): {
    get(key: string): unknown;
    put(key: string, value: unknown): Promise<boolean>;
    transaction(action: () => void): Promise<void>;
    close(): Promise<void>;
  };
}

const packages = { lmdb: "3.5.6" };

export const adapter: Adapter = {
  name: "lmdb",
  kind: "database",
  note: "its defaults (MessagePack), each write awaited; the last access is " +
    "an entry of its own",
  runtimes: ["Deno", "Node"],
  packages,
  async open(directory) {
    const { open } = await importPackage<Lmdb>(packages, "lmdb");
    const db = open({ path: join(directory, "sessions.lmdb") });
    return {
      load: (id) => db.get(id),
      async touch(id) {
        const value = db.get(id);
        await db.put(`${id} accessed`, Date.now());
        return value;
      },
      async save(id, value) {
        await db.put(id, value);
      },
      async update(id, change) {
        await db.transaction(() => void db.put(id, change(db.get(id))));
      },
      close: () => db.close(),
    };
  },
};
