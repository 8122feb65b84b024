import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Adapter, importPackage } from "../contestant.ts";

interface FileStore {
  readonly options: object;
  get(id: string, done: (error: unknown, session?: object) => void): void;
  set(id: string, session: object, done: (error: unknown) => void): void;
  touch(id: string, session: object, done: (error: unknown) => void): void;
}

interface ExpressSession {
  readonly default: {
    readonly Cookie: new () => object;
    readonly Store: unknown;
  };
}

interface SessionFileStore {
  readonly default: (
    session: ExpressSession["default"],
  ) => new (options: { path: string }) => FileStore;
}

interface Helpers {
  readonly default: {
    reap(options: object, done: (errors?: unknown) => void): void;
  };
}

const HOUR = 60 * 60 * 1000;

const packages = { "express-session": "1.19.0", "session-file-store": "1.5.0" };

export const adapter: Adapter = {
  name: "session-file-store",
  kind: "peer",
  note: "the store of `express-session`, its defaults; " +
    "fsync and rename, no lock; a touch reads and writes the file again; " +
    "cleanup: the `reap` that its timer calls",
  runtimes: ["Deno", "Node"],
  packages,
  columns: ["load", "touch", "save", "update", "mixed", "race", "clean"],
  async open(path) {
    const { default: session } = await importPackage<ExpressSession>(
      packages,
      "express-session",
    );
    const { default: connect } = await importPackage<SessionFileStore>(
      packages,
      "session-file-store",
    );
    const { default: helpers } = await importPackage<Helpers>(
      packages,
      "session-file-store",
      "/lib/session-file-helpers.js",
    );
    const store = new (connect(session))({ path });
    const { Cookie } = session;
    const load = (id: string) =>
      new Promise<object | undefined>((resolve, reject) => {
        store.get(id, (error, found) => error ? reject(error) : resolve(found));
      });
    return {
      load,
      async touch(id) {
        const found = await load(id);
        if (found === undefined) return found;
        await new Promise<void>((resolve, reject) => {
          store.touch(id, found, (error) => error ? reject(error) : resolve());
        });
        return found;
      },
      save(id, value) {
        const kept = { cookie: new Cookie(), ...value };
        return new Promise((resolve, reject) => {
          store.set(id, kept, (error) => error ? reject(error) : resolve());
        });
      },
      fill(sessions) {
        const now = Date.now();
        for (const { id, value, isOver } of sessions) {
          const __lastAccess = isOver ? now - 2 * HOUR : now;
          const kept = { cookie: new Cookie(), ...value, __lastAccess };
          writeFileSync(join(path, `${id}.json`), JSON.stringify(kept));
        }
      },
      clean() {
        return new Promise((resolve, reject) => {
          helpers.reap(store.options, (errors) => {
            if (errors === undefined) resolve();
            else reject(new Error(String(errors)));
          });
        });
      },
      close() {},
    };
  },
};
