import { readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type Adapter, importPackage } from "../contestant.ts";

interface WriteFileAtomic {
  readonly default: (path: string, text: string) => Promise<void>;
}

interface ProperLockfile {
  lock(path: string, options: object): Promise<() => Promise<void>>;
}

const packages = { "write-file-atomic": "8.0.0", "proper-lockfile": "4.1.2" };

// By default it gives up at once, or waits a second or more between two tries.
const OPTIONS = {
  realpath: false,
  retries: { retries: 1_000, factor: 1, minTimeout: 1, maxTimeout: 10 },
};

export const adapter: Adapter = {
  name: "write-file-atomic + proper-lockfile",
  kind: "peer",
  note: "what a careful user puts together: reads without lock; writes under " +
    "the lock (tried again after 1 ms), with fsync and rename; touch by `utimes`",
  runtimes: ["Deno", "Node"],
  packages,
  async open(directory) {
    const { default: write } = await importPackage<WriteFileAtomic>(
      packages,
      "write-file-atomic",
    );
    const { lock } = await importPackage<ProperLockfile>(
      packages,
      "proper-lockfile",
    );
    const pathOf = (id: string) => join(directory, `${id}.json`);
    const load = async (id: string): Promise<unknown> =>
      JSON.parse(await readFile(pathOf(id), "utf8"));
    return {
      load,
      async touch(id) {
        const value = await load(id);
        const now = new Date();
        await utimes(pathOf(id), now, now);
        return value;
      },
      async save(id, value) {
        const path = pathOf(id);
        const release = await lock(path, OPTIONS);
        try {
          await write(path, JSON.stringify(value));
        } finally {
          await release();
        }
      },
      async update(id, change) {
        const path = pathOf(id);
        const release = await lock(path, OPTIONS);
        try {
          await write(path, JSON.stringify(change(await load(id))));
        } finally {
          await release();
        }
      },
      close() {},
    };
  },
};
