/** Every command on every store, as a process with the permissions of its help. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SessionRevokedError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { Placeholder } from "../../src/migration/move_session.ts";
import { connectRedis } from "../engines/open_redis.ts";
import {
  HOUR,
  ID,
  MINUTE,
  OTHER_ID,
  recordOf,
  SECRET_HASH,
} from "../constants.ts";
import { lastAccessOf } from "../contract/contract.ts";
import { missingRedis } from "../engines/redis_server.ts";
import { RedisCluster } from "../engines/redis_cluster.ts";
import { type Ending, spawn } from "../spawn.ts";
import {
  type Kind,
  KINDS,
  PASSWORD,
  runOn,
  Servers,
  type StorePlace,
} from "./store_places.ts";

const servers = new Servers();
const USERS_ID = "a".repeat(32);
const OLD_ID = "b".repeat(32);
const NOW = Date.now();
/** What no output shows without `--data`. */
const HIDDEN = ["card", "4711", SECRET_HASH, "form-token", "flashed"];

const FULL: SessionRecord = recordOf({ card: "4711" }, {
  createdAt: NOW - HOUR,
  idleTimeout: HOUR,
  user: "ann",
  label: "Firefox \u001b[2J\u202e\u009b2J",
  secretHash: SECRET_HASH,
  previous: { hash: SECRET_HASH, sealed: SECRET_HASH },
  formTokens: ["form-token"],
  flash: { flashed: 1 },
  signedInAt: NOW,
});

/** Puts three live sessions and an expired one into a store. */
async function fill({ store }: StorePlace): Promise<void> {
  await store.create(ID, FULL, { lastAccess: NOW - MINUTE });
  await store.create(USERS_ID, recordOf({}, { user: "ann" }));
  await store.create(OTHER_ID, recordOf({}, { createdAt: NOW - 10 * MINUTE }), {
    lastAccess: NOW - 10 * MINUTE,
  });
  await store.create(OLD_ID, recordOf({}, { idleTimeout: MINUTE }), {
    lastAccess: NOW - 10 * MINUTE,
  });
}

function assertHidden({ stdout, stderr }: Ending): void {
  const output = stdout + stderr;
  for (const text of HIDDEN) assert(!output.includes(text), output);
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/.test(output));
}

/** Declares a test on a store that has sessions. */
function testOn(
  kind: Kind,
  title: string,
  test: (place: StorePlace) => Promise<void>,
): void {
  const missing = Servers.missing(kind);
  const skipped = missing === undefined ? "" : ` (skipped: ${missing})`;
  Deno.test({
    name: `${kind}: ${title}${skipped}`,
    ignore: missing !== undefined,
    fn: async () => {
      await using place = await servers.open(kind);
      await fill(place);
      await test(place);
    },
  });
}

for (const kind of KINDS) {
  testOn(
    kind,
    "cleanup deletes expired sessions, and others by --minutes alone",
    async (place) => {
      const dry = await runOn(place, "cleanup", ["--dry-run", "--json"]);
      assertEquals([dry.code, dry.stderr], [0, ""]);
      assertEquals(JSON.parse(dry.stdout), {
        deleted: 1,
        remaining: 3,
        orphans: 0,
        dryRun: true,
      });
      const first = await runOn(place, "cleanup");
      assertEquals([first.code, first.stdout, first.stderr], [
        0,
        "Deleted: 1, Remaining: 3\n",
        "",
      ]);
      const second = await runOn(place, "cleanup", ["--minutes=5"]);
      assertEquals(second.stdout, "Deleted: 1, Remaining: 2\n");
      assertEquals(await place.store.has(OTHER_ID), false);
    },
  );

  testOn(
    kind,
    "list shows each session on a line, without secrets and data",
    async (place) => {
      const text = await runOn(place, "list");
      assertEquals([text.code, text.stderr], [0, ""]);
      assertHidden(text);
      const lines = text.stdout.trimEnd().split("\n");
      assertEquals(lines.length, 4);
      const line = lines.find((line) => line.startsWith(ID))!;
      assertStringIncludes(line, "ann, Firefox \\u001b[2J\\u202e\\u009b2J");
      const json = await runOn(place, "list", ["--json", "--user=ann"]);
      assertHidden(json);
      const views = json.stdout.trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      );
      assertEquals(views.map(({ id }) => id).sort(), [ID, USERS_ID].sort());
      assertEquals(views.find(({ id }) => id === ID), {
        id: ID,
        user: "ann",
        label: FULL.label,
        createdAt: FULL.createdAt,
        lastAccess: NOW - MINUTE,
        expiry: NOW - MINUTE + HOUR,
        bytes: new TextEncoder().encode(JSON.stringify(FULL)).length,
      });
    },
  );

  testOn(
    kind,
    "show shows a session, its data only when asked, and marks nothing",
    async (place) => {
      for (const args of [[], ["--json"]]) {
        const shown = await runOn(place, "show", [ID, ...args]);
        assertEquals([shown.code, shown.stderr], [0, ""]);
        assertHidden(shown);
        assertStringIncludes(shown.stdout, "ann");
      }
      const all = await runOn(place, "show", [ID, "--data"]);
      assertStringIncludes(all.stdout, '"card":"4711"');
      assert(!/form-token|[0-9a-f]{64}/.test(all.stdout), all.stdout);
      assertEquals(await lastAccessOf(place.store, ID), NOW - MINUTE);
      const none = await runOn(place, "show", [OLD_ID]);
      assertEquals([none.code, none.stdout], [1, ""]);
      assertStringIncludes(none.stderr, `There is no session ${OLD_ID}`);
    },
  );

  testOn(
    kind,
    "revoke ends the sessions of a user, and logins that have begun",
    async (place) => {
      const manager = new SessionManager({ store: place.store });
      const visitor = await manager.open(new Request("http://localhost/"));
      const ended = await runOn(place, "revoke", ["--user=ann"]);
      assertEquals([ended.code, ended.stdout, ended.stderr], [
        0,
        "Revoked: 2\n",
        "",
      ]);
      assertEquals(await place.store.has(ID), false);
      assertEquals(await place.store.has(OTHER_ID), true);
      visitor.setUser("ann");
      const error = await manager.commit(visitor, new Headers()).catch((
        error,
      ) => error);
      assert(error instanceof SessionRevokedError, String(error));
    },
  );

  testOn(
    kind,
    "revoke ends sessions by their IDs, and says which were none",
    async (place) => {
      const { code, stdout, stderr } = await runOn(
        place,
        "revoke",
        [ID, OTHER_ID, OLD_ID],
      );
      assertEquals([code, stdout], [1, "Revoked: 2\n"]);
      assertEquals(stderr, `There was no session ${OLD_ID}\n`);
      assertEquals(await place.store.has(USERS_ID), true);
    },
  );

  testOn(
    kind,
    "stats counts sessions, users, ages and bytes",
    async (place) => {
      const { code, stdout, stderr } = await runOn(place, "stats", ["--json"]);
      assertEquals([code, stderr], [0, ""]);
      const { ages, lastAccesses, sizes, ...counts } = JSON.parse(stdout);
      assertEquals(counts, {
        sessions: 3,
        signedIn: 2,
        users: 1,
        bytes: counts.bytes,
        expired: 1,
        orphans: 0,
        setAside: 0,
        revocations: 0,
        newest: { id: OTHER_ID, createdAt: NOW - 10 * MINUTE },
        oldest: { id: USERS_ID, createdAt: recordOf().createdAt },
      });
      for (const histogram of [ages, lastAccesses, sizes]) {
        const sum = histogram.reduce(
          (sum: number, { count }: { count: number }) => sum + count,
          0,
        );
        assertEquals(sum, 3);
      }
      const text = await runOn(place, "stats");
      assertStringIncludes(text.stdout, "signed in    2, of 1 users\n");
    },
  );

  testOn(
    kind,
    "export and import carry all sessions over, and revocations",
    async (place) => {
      const manager = new SessionManager({ store: place.store });
      await manager.revokeUser("bob");
      // As a migration leaves them that was interrupted.
      await Placeholder.put(place.store, OLD_ID, {});
      const freeze = (record: SessionRecord) => ({ ...record, isMoving: true });
      await place.store.update(ID, freeze, { lastAccess: "unchanged" });
      const open = await runOn(place, "export");
      assertEquals([open.code, open.stderr], [0, ""]);
      assertHidden(open);
      const refused = await runOn(place, "import", [], open.stdout);
      assertEquals(refused.code, 1);
      assertStringIncludes(refused.stderr, "made without --data");

      const { code, stdout } = await runOn(place, "export", ["--data"]);
      assertEquals(code, 0);
      await using other = await servers.open(kind);
      const first = await runOn(other, "import", [], stdout);
      assertEquals([first.code, first.stdout, first.stderr], [
        0,
        "Imported: 4, Already there: 0, Expired: 0\n",
        "",
      ]);
      assertEquals(await other.store.load(ID), FULL);
      assertEquals(await lastAccessOf(other.store, ID), NOW - MINUTE);
      const [mark] = stdout.trimEnd().split("\n").slice(-2);
      assertEquals(await other.store.has(JSON.parse(mark!).id), true);
      const second = await runOn(other, "import", ["--json"], stdout);
      assertEquals(JSON.parse(second.stdout), {
        imported: 0,
        present: 4,
        expired: 0,
        refused: 0,
      });
    },
  );

  testOn(kind, "migrate moves all sessions there and back", async (place) => {
    // With a table of its own a database would need another option.
    const target = kind === "directory" || kind === "kv" || kind === "redis"
      ? "sqlite"
      : "directory";
    await using other = await servers.open(target);
    const move = async (from: StorePlace, to: StorePlace) => {
      const { path, flags, options } = place;
      return await spawn(
        "mod.ts",
        ["migrate", from.address, to.address, ...options],
        {
          paths: [path, other.path],
          flags: flags.filter((flag) => !/^--allow-(read|write)/.test(flag)),
        },
      ).end();
    };
    const there = await move(place, other);
    assertEquals(there.stdout, "Moved: 3\n", there.stderr);
    assertEquals(await place.store.has(ID), false);
    assertEquals(await other.store.load(ID), FULL);
    const back = await move(other, place);
    assertEquals(back.stdout, "Moved: 3\n", back.stderr);
    assertEquals(await place.store.load(ID), FULL);
    assertEquals(await lastAccessOf(place.store, ID), NOW - MINUTE);
  });

  testOn(
    kind,
    "no command shows the password, also when it fails",
    async (place) => {
      const wrong = { ...place, options: [...place.options, "--nonsense"] };
      for (const where of [place, wrong]) {
        const { stdout, stderr } = await runOn(where, "show", [OLD_ID]);
        assert(!`${stdout}${stderr}`.includes("never-shown"), stderr);
      }
      const gone = { ...place, address: place.address.replace(/:\d+/, ":9") };
      const flags = [...place.flags, "--allow-net=127.0.0.1:9"];
      if (gone.address === place.address) return;
      const { code, stderr } = await runOn({ ...gone, flags }, "list");
      assertEquals(code, 1);
      assertStringIncludes(stderr, "ECONNREFUSED");
      assert(!stderr.includes("never-shown"), stderr);
    },
  );
}

const skipped = missingRedis === undefined ? "" : ` (skipped: ${missingRedis})`;

Deno.test({
  name: `redis: a command finds the sessions of a whole cluster${skipped}`,
  ignore: missingRedis !== undefined,
  fn: async () => {
    await using cluster = await RedisCluster.start();
    const { port } = cluster.masters[0]!;
    await using connected = await connectRedis({
      port,
      client: "redis",
      isCluster: true,
    });
    const store = new RedisSessionStore(connected.client);
    const ids = Array.from({ length: 20 }, (_, n) => `${n}`.padStart(32, "0"));
    for (const id of ids) await store.save(id, recordOf({}, { user: "ann" }));
    const run = (...args: string[]) =>
      spawn(
        "mod.ts",
        [args[0]!, `redis://127.0.0.1:${port}`, ...args.slice(1)],
        {
          flags: ["--allow-net=127.0.0.1"],
        },
      ).end();
    const { stdout } = await run("list", "--json");
    const listed = stdout.trimEnd().split("\n").map((line) =>
      JSON.parse(line).id
    );
    assertEquals(listed.sort(), ids);
    assertEquals((await run("revoke", "--user=ann")).stdout, "Revoked: 20\n");
  },
});

Deno.test({
  name: `redis: a password may come from REDISCLI_AUTH${skipped}`,
  ignore: missingRedis !== undefined,
  fn: async () => {
    await using place = await servers.open("redis");
    const address = place.address.replace(`:${PASSWORD}@`, "@");
    const args = ["list", address, ...place.options];
    const env = { REDISCLI_AUTH: PASSWORD };
    const [flag = ""] = place.flags;
    const granted = await spawn("mod.ts", args, {
      flags: [flag, "--allow-env=REDISCLI_AUTH"],
      env,
    }).end();
    assertEquals([granted.code, granted.stderr], [0, ""]);
    const without = await spawn("mod.ts", args, { flags: [flag], env }).end();
    assertEquals(without.code, 1);
    assert(!without.stderr.includes(PASSWORD));
  },
});
