import { type Adapter, importPackage } from "../contestant.ts";

interface Unstorage {
  createStorage(options: { driver: unknown }): {
    getItem(key: string): Promise<unknown>;
    setItem(key: string, value: object): Promise<void>;
    dispose(): Promise<void>;
  };
}

interface FsDriver {
  readonly default: (options: { base: string }) => unknown;
}

const packages = { unstorage: "1.17.6" };

export const adapter: Adapter = {
  name: "unstorage",
  kind: "peer",
  note: "the `fs` driver; truncates in place, no lock, no touch",
  runtimes: ["Deno", "Node"],
  packages,
  async open(base) {
    const { createStorage } = await importPackage<Unstorage>(
      packages,
      "unstorage",
    );
    const { default: driver } = await importPackage<FsDriver>(
      packages,
      "unstorage",
      "/drivers/fs",
    );
    const storage = createStorage({ driver: driver({ base }) });
    return {
      load: (id) => storage.getItem(id),
      save: (id, value) => storage.setItem(id, value),
      close: () => storage.dispose(),
    };
  },
};
