/** Each fault that an operator may meet, planted, and what `doctor` says of it. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { Finding } from "../../src/core/finding.ts";
import { encodeRecord, userTag } from "../../src/core/codec.ts";
import { entryPath } from "../../src/directory/layout.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { HOUR, ID, OTHER_ID, recordOf, USER } from "../constants.ts";
import { connectByPg } from "../engines/open_postgres.ts";
import { RedisServer, waitUntil } from "../engines/redis_server.ts";
import { SmallDisk } from "../faults/small_disk.ts";
import { spawn } from "../spawn.ts";
import {
  KINDS,
  PASSWORD,
  runOn,
  Servers,
  type StorePlace,
} from "./store_places.ts";

const servers = new Servers();
const DAY = 24 * HOUR;
const isRoot = Deno.uid() === 0;
const noDisk = SmallDisk.findObstacle();

/** What `doctor` found, and its exit code. */
class Diagnosis {
  readonly code: number;
  readonly findings: readonly Finding[];

  constructor(code: number, stdout: string, stderr: string) {
    assertEquals(stderr, "");
    this.code = code;
    this.findings = JSON.parse(stdout).findings;
  }

  /** Asserts that a check has found something, and says what to do. */
  assertFound(
    verdict: Finding["verdict"],
    check: string,
    state: string,
    advice = "",
  ): void {
    const found = this.findings.filter((finding) =>
      finding.check === check && finding.verdict === verdict &&
      finding.state.includes(state)
    );
    const text = JSON.stringify(this.findings, null, 2);
    assertEquals(found.length, 1, `${verdict} ${check} ${state}: ${text}`);
    assertStringIncludes(found[0]!.advice ?? "", advice);
    if (verdict === "bad") assertEquals(this.code, 1);
  }

  /** The checks with other verdicts than `ok`. */
  get problems(): string[] {
    return this.findings.filter(({ verdict }) => verdict !== "ok")
      .map(({ check, verdict }) => `${verdict} ${check}`);
  }
}

async function diagnose(
  place: StorePlace,
  ...flags: string[]
): Promise<Diagnosis> {
  const all = [...place.flags, ...flags];
  const ended = await runOn({ ...place, flags: all }, "doctor", ["--json"]);
  return new Diagnosis(ended.code, ended.stdout, ended.stderr);
}

/** Diagnoses a path with permissions for all that is read of it. */
async function diagnosePath(path: string): Promise<Diagnosis> {
  const { code, stdout, stderr } = await spawn("mod.ts", [
    ...["doctor", `directory:${path}`, "--json"],
  ], { flags: ["--allow-all"] }).end();
  return new Diagnosis(code, stdout, stderr);
}

/** Declares a test on a store of a kind with two sessions, one of a user. */
function testOn(
  kind: typeof KINDS[number],
  title: string,
  fn: (place: StorePlace) => Promise<void>,
  obstacle?: string,
): void {
  const missing = Servers.missing(kind) ?? obstacle;
  const skipped = missing === undefined ? "" : ` (skipped: ${missing})`;
  Deno.test({
    name: `doctor finds ${title}${skipped}`,
    ignore: missing !== undefined,
    fn: async () => {
      await using place = await servers.open(kind);
      const lifetime = { idleTimeout: HOUR };
      await place.store.create(ID, recordOf({}, { ...lifetime, user: USER }));
      await place.store.create(OTHER_ID, recordOf({}, lifetime));
      await fn(place);
    },
  });
}

const PERMISSIONS: Readonly<Record<string, string[]>> = {
  directory: ["skip disk", "skip mount", "skip user"],
  sqlite: ["skip disk", "skip mount", "skip user", "skip log"],
  kv: ["skip disk", "skip mount", "skip user"],
  redis: ["warn persistence"],
  postgres: ["warn durability"],
};

for (const kind of KINDS) {
  testOn(
    kind,
    `nothing wrong in a sound ${kind}, and says which permissions other checks want`,
    async (place) => {
      const diagnosis = await diagnose(place);
      assertEquals(diagnosis.problems, PERMISSIONS[kind]);
      assertEquals(diagnosis.code, 0);
      diagnosis.assertFound("ok", "sessions", "2 live, 0 expired");
      const { code, stdout } = await runOn(place, "doctor");
      assertEquals(code, 0);
      assert(/^ok {4}sessions {6}2 live, 0 expired$/m.test(stdout), stdout);
      assert(!stdout.includes(PASSWORD), stdout);
    },
  );

  testOn(
    kind,
    `in a ${kind} that no cleanup is at work, and times in the future`,
    async ({ store, ...place }) => {
      const long = { lastAccess: Date.now() - 3 * DAY };
      const soon = { lastAccess: Date.now() + 2 * HOUR };
      const ids = ["a".repeat(32), "b".repeat(32)] as const;
      await store.create(ids[0], recordOf({}, { idleTimeout: HOUR }), long);
      await store.create(ids[1], recordOf(), soon);
      const diagnosis = await diagnose({ ...place, store });
      if (kind !== "redis") {
        diagnosis.assertFound(
          "warn",
          "sessions",
          "3 live, 1 expired, 1 of them over a day ago",
          "call `cleanup`",
        );
      }
      diagnosis.assertFound(
        "warn",
        "times",
        `1 was written in the future: ${ids[1]} (up to 2 hours)`,
        "this clock is behind",
      );
    },
  );
}

for (const kind of ["directory", "redis", "postgres"] as const) {
  testOn(
    kind,
    `by a ${kind} a clock that is two hours off, either way`,
    async (place) => {
      for (const [hours, side] of [[2, "ahead of"], [-2, "behind"]] as const) {
        const { code, stdout, stderr } = await spawn(
          new URL("clock_script.ts", import.meta.url),
          [
            ...[String(hours * HOUR), "doctor", place.address, "--json"],
            ...place.options,
          ],
          { flags: place.flags },
        ).end();
        new Diagnosis(code, stdout, stderr).assertFound(
          "bad",
          "clock",
          `this clock is 2 hours ${side}`,
          "set it",
        );
      }
    },
  );
}

testOn(
  "directory",
  "a mode of 0755, of the directory and of a file",
  async (place) => {
    Deno.chmodSync(place.path, 0o755);
    Deno.chmodSync(`${place.path}/${ID}`, 0o644);
    const diagnosis = await diagnose(place);
    diagnosis.assertFound(
      "warn",
      "directory",
      "has mode 0755",
      `chmod 0700 ${place.path}`,
    );
    diagnosis.assertFound("warn", "modes", `1 may be read by others: ${ID}`);
    Deno.chmodSync(place.path, 0o777);
    const worse = await diagnose(place);
    worse.assertFound("bad", "directory", "others may write it", "chmod 0700");
  },
);

testOn(
  "directory",
  "a file of another owner, and a process of another user",
  async (place) => {
    Deno.chownSync(`${place.path}/${ID}`, 1234, 1234);
    const diagnosis = await diagnose(place, "--allow-sys=uid");
    diagnosis.assertFound(
      "bad",
      "owners",
      `1 belongs to another user: ${ID}`,
      `chown -R 0 ${place.path}`,
    );
    Deno.chownSync(place.path, 1234, 1234);
    const other = await diagnose(place, "--allow-sys=uid");
    other.assertFound(
      "bad",
      "user",
      "this process has uid 0, the owner 1234",
      "setpriv --reuid 1234",
    );
  },
  isRoot ? undefined : "not root",
);

testOn(
  "directory",
  "a marker that is missing, or of version 2, and makes none",
  async (place) => {
    const marker = `${place.path}/.latchkey`;
    Deno.removeSync(marker);
    const missing = await diagnose(place);
    missing.assertFound("bad", "marker", "no sessions were ever kept there");
    missing.assertFound("skip", "setup", "what is said above to be mended");
    assertEquals(
      [...Deno.readDirSync(place.path)].map(({ name }) => name).includes(
        ".latchkey",
      ),
      false,
    );
    Deno.writeTextFileSync(
      marker,
      "A directory of sessions of @latchkey/session, format 2.\n",
    );
    const newer = await diagnose(place);
    newer.assertFound("bad", "marker", "is not of format 1", "");
  },
);

testOn(
  "directory",
  "an index entry without its session, and the reverse",
  async (place) => {
    const { path } = place;
    const entry = entryPath(path, { tag: userTag(USER), id: ID });
    const stale = entryPath(path, { tag: userTag(USER), id: "c".repeat(32) });
    Deno.linkSync(entry, stale);
    Deno.removeSync(entry);
    const diagnosis = await diagnose(place);
    diagnosis.assertFound(
      "warn",
      "index",
      `1 is missing in the index of users: ${ID}`,
      "call `cleanup`",
    );
    diagnosis.assertFound(
      "warn",
      "index",
      `1 entry has no session: ${"c".repeat(32)}`,
      "call `cleanup`",
    );
    await runOn(place, "cleanup");
    assertEquals((await diagnose(place)).problems, PERMISSIONS.directory);
  },
);

testOn(
  "directory",
  "what killed processes left, and what was set aside",
  async (place) => {
    const put = (name: string, text: string | Uint8Array) =>
      Deno.writeFileSync(
        `${place.path}/${name}`,
        typeof text === "string" ? new TextEncoder().encode(text) : text,
        { mode: 0o600 },
      );
    const birth = String(Date.now() - 2 * HOUR).padStart(15, "0");
    put(`.tmp-${birth}-${"a".repeat(16)}`, "half");
    put(
      `.tmp-${String(Date.now()).padStart(15, "0")}-${"a".repeat(16)}`,
      "half",
    );
    put(`.lock-${ID}`, "");
    put(`${"d".repeat(32)}.bad`, "?");
    put("e".repeat(32), "latchkey/1 cut off");
    put("f".repeat(32), "latchkey/2 a later one");
    put("0".repeat(32), encodeRecord(ID, recordOf()));
    Deno.mkdirSync(`${place.path}/${"9".repeat(32)}`);
    const before = list(place.path);
    const diagnosis = await diagnose(place);
    for (
      const [verdict, check, state] of [
        ["warn", "orphans", "1 was left by a killed process: .tmp-"],
        ["warn", "orphans", "1 is the lock of a killed process: .lock-"],
        ["warn", "set aside", "1 was unreadable: ddd"],
        ["bad", "records", "1 is unreadable: eee"],
        ["warn", "versions", "1 is of a later version: fff"],
        ["bad", "files", "1 holds another session: 000"],
        ["warn", "files", "1 has a session's name and is not a file: 999"],
      ] as const
    ) diagnosis.assertFound(verdict, check, state);
    assertEquals(list(place.path), before);
  },
);

/** Declares a test on a disk of its own. */
function testOnDisk(
  title: string,
  limits: string,
  plant: (disk: SmallDisk) => void,
  assertFound: (diagnosis: Diagnosis) => void,
): void {
  const skipped = noDisk === undefined ? "" : ` (skipped: ${noDisk})`;
  Deno.test({
    name: `doctor finds ${title}${skipped}`,
    ignore: noDisk !== undefined,
    fn: async () => {
      using disk = new SmallDisk(limits);
      const path = `${disk.path}/sessions`;
      {
        using store = new DirectorySessionStore(path, { create: true });
        await store.save(ID, recordOf());
      }
      plant(disk);
      assertFound(await diagnosePath(path));
    },
  });
}

testOnDisk("a tmpfs", "size=1m", () => {}, (diagnosis) =>
  diagnosis.assertFound(
    "warn",
    "file system",
    "tmpfs: all sessions are gone",
    "put it on a disk",
  ));

testOnDisk("no free inode", "size=1m,nr_inodes=20", fill, (diagnosis) => {
  diagnosis.assertFound(
    "bad",
    "free inodes",
    "0 inodes of 20 are free",
    "make room",
  );
  diagnosis.assertFound("bad", "writing", "No space left on device");
});

testOnDisk(
  "a read-only mount",
  "size=1m",
  (disk) => disk.remount("ro"),
  (diagnosis) => {
    diagnosis.assertFound("bad", "mount", "ro", "mount -o remount,rw");
    diagnosis.assertFound("bad", "writing", "Read-only file system");
  },
);

testOn(
  "sqlite",
  "SQLite without a write-ahead log, with an index missing, and mends neither",
  async (place) => {
    const { path, store } = place;
    (store as unknown as Disposable)[Symbol.dispose]();
    {
      using database = new DatabaseSync(path);
      database.exec("PRAGMA journal_mode = DELETE");
      database.exec("DROP INDEX latchkey_sessions_tag");
    }
    for (let n = 0; n < 2; n++) {
      const diagnosis = await diagnose(place);
      diagnosis.assertFound("warn", "journal", "delete, no write-ahead log");
      diagnosis.assertFound(
        "warn",
        "indices",
        "there is no latchkey_sessions_tag",
        "the next start of a server",
      );
      diagnosis.assertFound("skip", "setup", "mended");
    }
    await runOn(place, "cleanup");
    assertEquals((await diagnose(place)).problems, PERMISSIONS.sqlite);
  },
);

testOn(
  "sqlite",
  "a file of SQLite without the table, of a later version, or that others may read",
  async (place) => {
    Deno.chmodSync(place.path, 0o644);
    const other = { ...place, options: ["--table=other"] };
    const missing = await diagnose(other);
    missing.assertFound("bad", "table", "there is no table other", "--table");
    missing.assertFound("warn", "file", "others may read it", "chmod 0600");
    {
      using database = new DatabaseSync(place.path);
      database.exec("UPDATE latchkey_schema SET version = 2");
    }
    (await diagnose(place)).assertFound("bad", "table", "is of version 2");
  },
);

testOn("sqlite", "damaged records in a database", async (place) => {
  {
    using database = new DatabaseSync(place.path);
    database.exec(
      `UPDATE latchkey_sessions SET json = '{"createdAt"' WHERE id = '${ID}'`,
    );
    database.exec(
      `UPDATE latchkey_sessions SET json = '{"format":2}' WHERE id = '${OTHER_ID}'`,
    );
  }
  const diagnosis = await diagnose(place);
  diagnosis.assertFound("bad", "records", `1 is unreadable: ${ID}`);
  diagnosis.assertFound("warn", "versions", `1 is of a later version`);
});

testOn(
  "redis",
  "Redis that evicts sessions in use (allkeys-lru)",
  async (place) => {
    const { redis } = servers;
    await redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    try {
      const unbounded = await diagnose(place);
      unbounded.assertFound("warn", "eviction", "allkeys-lru, maxmemory 0");
      await redis.ask("CONFIG", "SET", "maxmemory", "1gb");
      const bounded = await diagnose(place);
      bounded.assertFound(
        "bad",
        "eviction",
        "sessions in use are evicted",
        "noeviction",
      );
    } finally {
      await redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction");
      await redis.ask("CONFIG", "SET", "maxmemory", "0");
    }
  },
);

testOn("redis", "a user of Redis without rights", async (place) => {
  const rights = ["~*", "+@all", "-setrange", "-info"];
  await servers.redis.ask(
    ...["ACL", "SETUSER", "poor", "on", `>${PASSWORD}`, ...rights],
  );
  const address = place.address.replace("operator", "poor");
  const diagnosis = await diagnose({ ...place, address });
  diagnosis.assertFound("bad", "setup", "SETRANGE");
  diagnosis.assertFound(
    "skip",
    "server",
    "the right +info",
  );
  const wrong = place.address.replace("operator", "stranger");
  const refused = await diagnose({ ...place, address: wrong });
  refused.assertFound("bad", "store", "WRONGPASS", "the password");
});

testOn("redis", "a replica of Redis", async (place) => {
  await using replica = await RedisServer.start();
  const { port } = servers.redis;
  await replica.ask("REPLICAOF", "127.0.0.1", port);
  await waitUntil("the replica is one", async () => {
    const role = await replica.ask("ROLE");
    return Array.isArray(role) && role[3] === "connected";
  });
  const diagnosis = await diagnose({
    ...place,
    address: `redis://127.0.0.1:${replica.port}`,
    flags: [`--allow-net=127.0.0.1:${replica.port}`],
  });
  diagnosis.assertFound("bad", "role", "a replica of 127.0.0.1", "its master");
  diagnosis.assertFound("bad", "setup", "the server is read-only");
});

testOn(
  "postgres",
  "a table of PostgreSQL without a column, without an index, or none",
  async (place) => {
    const table = place.options[0]!.replace("--table=", "");
    await using opened = connectByPg(servers.postgres.port);
    await opened.client.query(`DROP INDEX ${table}_end`);
    const first = await diagnose(place);
    first.assertFound(
      "warn",
      "indices",
      `there is no valid ${table}_end`,
      "schema postgres",
    );
    await opened.client.query(`ALTER TABLE ${table} DROP COLUMN tag`);
    const second = await diagnose(place);
    second.assertFound("bad", "setup", "without a column tag");
    const none = await diagnose({ ...place, options: ["--table=none"] });
    none.assertFound("bad", "table", "there is no table none");
    const { rows } = await opened.client.query(
      "SELECT to_regclass('none') AS t",
    );
    assertEquals(rows, [{ t: null }]);
  },
);

testOn("postgres", "a role of PostgreSQL without rights", async (place) => {
  const table = place.options[0]!.replace("--table=", "");
  await using opened = connectByPg(servers.postgres.port);
  await opened.client.query(
    `CREATE ROLE poor LOGIN; GRANT SELECT ON ${table} TO poor`,
  );
  const address = place.address.replace("postgres:never", "poor:never");
  const diagnosis = await diagnose({ ...place, address });
  diagnosis.assertFound(
    "bad",
    "rights",
    `the role poor lacks INSERT ON ${table}, UPDATE ON ${table}, DELETE ON ${table}, SELECT ON latchkey_schema`,
    "schema postgres --role poor",
  );
});

function fill(disk: SmallDisk): void {
  try {
    for (let n = 0;; n++) Deno.writeTextFileSync(`${disk.path}/${n}.txt`, "");
  } catch {
    // It is full.
  }
}

function list(path: string): unknown[] {
  return [...Deno.readDirSync(path)].map(({ name }) => {
    const { size, ino, mtime } = Deno.lstatSync(`${path}/${name}`);
    return { name, size, ino, mtime };
  }).sort((one, other) => one.name < other.name ? -1 : 1);
}
