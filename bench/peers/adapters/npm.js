/*
 * What can be had from npm, and node:sqlite: for Deno and Node. In JavaScript,
 * since types that we write for packages of others check nothing.
 */
import { writeFileSync } from "node:fs";
import { readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { importPackage } from "../../harness/import_package.ts";

const HOUR = 60 * 60 * 1000;

/** What all of these have in common. */
function adapter(name, kind, note, packages, open) {
  const runtimes = ["Deno", "Node"];
  const load = (name, path) => importPackage(packages, name, path);
  return {
    name,
    kind,
    note,
    runtimes,
    packages,
    open: (directory) => open(directory, load),
  };
}

/** Waits for a function that takes a callback of Node. */
function called(act) {
  return new Promise((resolve, reject) =>
    act((error, result) => error ? reject(error) : resolve(result))
  );
}

const sqlite = adapter(
  "node:sqlite",
  "database",
  "one table, WAL, `synchronous = NORMAL`, waits up to 5 s for the " +
    "lock; cleanup: one `DELETE` over a column without an index",
  {},
  async (directory) => {
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(join(directory, "sessions.db"));
    db.exec(`
      PRAGMA busy_timeout = 5000;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS session (
        id TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        accessed INTEGER NOT NULL
      ) WITHOUT ROWID;
    `);
    const selected = db.prepare("SELECT value FROM session WHERE id = ?");
    const accessed = db.prepare("UPDATE session SET accessed = ? WHERE id = ?");
    const replaced = db.prepare("REPLACE INTO session VALUES (?, ?, ?)");
    const deleted = db.prepare("DELETE FROM session WHERE accessed < ?");
    const counted = db.prepare("SELECT count(*) AS left FROM session");
    const load = (id) => {
      const row = selected.get(id);
      return row === undefined ? undefined : JSON.parse(String(row.value));
    };
    return {
      load,
      touch(id) {
        const value = load(id);
        accessed.run(Date.now(), id);
        return value;
      },
      save(id, value) {
        replaced.run(id, JSON.stringify(value), Date.now());
      },
      fill(sessions) {
        const now = Date.now();
        db.exec("BEGIN IMMEDIATE");
        for (const { id, value, isExpired } of sessions) {
          replaced.run(id, JSON.stringify(value), isExpired ? 0 : now);
        }
        db.exec("COMMIT");
      },
      clean() {
        deleted.run(Date.now() - HOUR);
      },
      count: () => Number(counted.get().left),
      update(id, change) {
        db.exec("BEGIN IMMEDIATE");
        try {
          const value = JSON.stringify(change(load(id)));
          replaced.run(id, value, Date.now());
          db.exec("COMMIT");
        } catch (error) {
          db.exec("ROLLBACK");
          throw error;
        }
      },
      close: () => db.close(),
    };
  },
);

const lmdb = adapter(
  "lmdb",
  "database",
  "its defaults (MessagePack), each write awaited; the last access is " +
    "an entry of its own",
  { lmdb: "3.5.6" },
  async (directory, load) => {
    const { open } = await load("lmdb");
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
);

const sessionFileStore = {
  ...adapter(
    "session-file-store",
    "peer",
    "the store of `express-session`, its defaults; " +
      "fsync and rename, no lock; a touch reads and writes the file again; " +
      "cleanup: the `reap` that its timer calls",
    { "express-session": "1.19.0", "session-file-store": "1.5.0" },
    async (path, load) => {
      const { default: session } = await load("express-session");
      const { default: connect } = await load("session-file-store");
      const { default: helpers } = await load(
        "session-file-store",
        "/lib/session-file-helpers.js",
      );
      const store = new (connect(session))({ path });
      const { Cookie } = session;
      const get = (id) => called((done) => store.get(id, done));
      return {
        load: get,
        async touch(id) {
          const found = await get(id);
          if (found === undefined) return found;
          await called((done) => store.touch(id, found, done));
          return found;
        },
        save(id, value) {
          const kept = { cookie: new Cookie(), ...value };
          return called((done) => store.set(id, kept, done));
        },
        fill(sessions) {
          const now = Date.now();
          for (const { id, value, isExpired } of sessions) {
            const __lastAccess = isExpired ? now - 2 * HOUR : now;
            const kept = { cookie: new Cookie(), ...value, __lastAccess };
            writeFileSync(join(path, `${id}.json`), JSON.stringify(kept));
          }
        },
        clean: () => called((done) => helpers.reap(store.options, done)),
      };
    },
  ),
  columns: ["load", "touch", "save", "update", "mixed", "race", "clean"],
};

const reactRouter = adapter(
  "React Router",
  "peer",
  "`createFileSessionStorage` of `@react-router/node`, a cookie without " +
    "signature; truncates in place, no lock, no touch",
  { "@react-router/node": "8.5.1", "react-router": "8.5.1" },
  async (dir, load) => {
    const { createCookie, createSession } = await load("react-router");
    const { createFileSessionStorage } = await load("@react-router/node");
    const name = "session";
    const storage = createFileSessionStorage({ dir, cookie: { name } });
    const { serialize } = createCookie(name);
    // It takes IDs of 16 digits only.
    const shortened = (id) => id.slice(0, 16);
    // What a browser sends; made once, because that is no work of a server.
    const cookies = new Map();
    return {
      async load(id) {
        let cookie = cookies.get(id);
        if (cookie === undefined) {
          cookie = (await serialize(shortened(id))).split(";")[0];
          cookies.set(id, cookie);
        }
        return (await storage.getSession(cookie)).data;
      },
      async save(id, value) {
        await storage.commitSession(createSession(value, shortened(id)));
      },
    };
  },
);

const remixSession = adapter(
  "@remix-run/session",
  "peer",
  "`createFsSessionStorage`; hashes the ID, truncates in place, no lock, " +
    "no touch",
  { "@remix-run/session": "0.4.2" },
  async (directory, load) => {
    const { createSession } = await load("@remix-run/session");
    const { createFsSessionStorage } = await load(
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
    };
  },
);

const unstorage = adapter(
  "unstorage",
  "peer",
  "the `fs` driver; truncates in place, no lock, no touch",
  { unstorage: "1.17.6" },
  async (base, load) => {
    const { createStorage } = await load("unstorage");
    const { default: driver } = await load("unstorage", "/drivers/fs");
    const storage = createStorage({ driver: driver({ base }) });
    return {
      load: (id) => storage.getItem(id),
      save: (id, value) => storage.setItem(id, value),
      close: () => storage.dispose(),
    };
  },
);

const writeFileAtomic = adapter(
  "write-file-atomic + proper-lockfile",
  "peer",
  "what a careful user puts together: reads without lock; writes under " +
    "the lock (tried again after 1 ms), with fsync and rename; touch by `utimes`",
  { "write-file-atomic": "8.0.0", "proper-lockfile": "4.1.2" },
  async (directory, load) => {
    const { default: write } = await load("write-file-atomic");
    const { lock } = await load("proper-lockfile");
    // By default it gives up at once, or waits a second or more between tries.
    const options = {
      realpath: false,
      retries: { retries: 1_000, factor: 1, minTimeout: 1, maxTimeout: 10 },
    };
    const pathOf = (id) => join(directory, `${id}.json`);
    const read = async (id) => JSON.parse(await readFile(pathOf(id), "utf8"));
    const locked = async (id, value) => {
      const path = pathOf(id);
      const release = await lock(path, options);
      try {
        await write(path, JSON.stringify(await value()));
      } finally {
        await release();
      }
    };
    return {
      load: read,
      async touch(id) {
        const value = await read(id);
        const now = new Date();
        await utimes(pathOf(id), now, now);
        return value;
      },
      save: (id, value) => locked(id, () => value),
      update: (id, change) => locked(id, async () => change(await read(id))),
    };
  },
);

/**
 * Those that run under Deno and Node.
 *
 * @type {readonly import("../contestant.ts").Adapter[]}
 */
export const adapters = [
  sqlite,
  lmdb,
  sessionFileStore,
  reactRouter,
  remixSession,
  unstorage,
  writeFileAtomic,
];
