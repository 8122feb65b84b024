import { type Adapter, importPackage } from "../contestant.ts";

interface Session {
  readonly data: readonly [values: object, flash: object];
  set(key: string, value: unknown): void;
}

interface RemixSession {
  createSession(id: string): Session;
}

interface RemixFsStorage {
  createFsSessionStorage(directory: string): {
    read(id: string): Promise<Session>;
    save(session: Session): Promise<string | null>;
  };
}

const packages = { "@remix-run/session": "0.4.2" };

export const adapter: Adapter = {
  name: "@remix-run/session",
  kind: "peer",
  note:
    "`createFsSessionStorage`; hashes the ID, truncates in place, no lock, " +
    "no touch",
  runtimes: ["Deno", "Node"],
  packages,
  async open(directory) {
    const { createSession } = await importPackage<RemixSession>(
      packages,
      "@remix-run/session",
    );
    const { createFsSessionStorage } = await importPackage<RemixFsStorage>(
      packages,
      "@remix-run/session",
      "/fs-storage",
    );
    const storage = createFsSessionStorage(directory);
    return {
      load: async (id) => (await storage.read(id)).data[0],
      async save(id, value) {
        const session = createSession(id);
        for (const [key, each] of Object.entries(value)) session.set(key, each);
        await storage.save(session);
      },
      close() {},
    };
  },
};
