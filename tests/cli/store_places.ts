/** A store of each kind, as the command line addresses it. */

import type { SessionStore } from "../../src/core/store.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { KvSessionStore } from "../../src/engines/kv.ts";
import { PostgresSessionStore } from "../../src/engines/postgres.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import { SqliteSessionStore } from "../../src/engines/sqlite.ts";
import { makeIfMissing } from "../../src/system/files.ts";
import { connectByPg } from "../engines/open_postgres.ts";
import { connectRedis } from "../engines/open_redis.ts";
import {
  missing as missingPostgres,
  PostgresServer,
} from "../engines/postgres_server.ts";
import { missingRedis, RedisServer } from "../engines/redis_server.ts";
import { type Ending, spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

/** The kinds of store that have an address. */
export const KINDS = [
  "directory",
  "sqlite",
  "kv",
  "redis",
  "postgres",
] as const;
/** One of them. */
export type Kind = typeof KINDS[number];

/** A place for a store of its own, empty at first, with what commands on it need. */
export interface StorePlace extends AsyncDisposable {
  readonly kind: Kind;
  /** What the usage calls STORE. */
  readonly address: string;
  /** Options that say which part of the server is meant. */
  readonly options: readonly string[];
  /** The permissions that the help names. */
  readonly flags: readonly string[];
  /** The file or directory, if it is one. */
  readonly path: string;
  /** A store in this process. */
  readonly store: SessionStore;
}

/** A user and a password that no output may show. */
export const PASSWORD = "never-shown-8d1f";

/** The servers that the tests of a file share. */
export class Servers {
  #redis: RedisServer | undefined;
  #postgres: PostgresServer | undefined;
  #places = 0;

  /** Declares that they start before the file's tests and end after them. */
  constructor() {
    Deno.test.beforeAll(async () => {
      if (missingRedis === undefined) this.#redis = await startRedis();
      if (missingPostgres === undefined) {
        this.#postgres = await PostgresServer.start();
      }
    });
    Deno.test.afterAll(async () => {
      await this.#redis?.[Symbol.asyncDispose]();
      await this.#postgres?.[Symbol.asyncDispose]();
    });
  }

  /** Why there is no store of a kind here; `undefined` when there is. */
  static missing(kind: Kind): string | undefined {
    if (kind === "redis") return missingRedis;
    return kind === "postgres" ? missingPostgres : undefined;
  }

  /** The Redis server, once the tests run. */
  get redis(): RedisServer {
    return this.#redis!;
  }

  /** The PostgreSQL server, once the tests run. */
  get postgres(): PostgresServer {
    return this.#postgres!;
  }

  /** Makes a place of a kind. */
  async open(kind: Kind): Promise<StorePlace> {
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(new TemporaryDirectory());
    const name = `place_${this.#places++}`;
    const path = directory.join(name);
    const place = await this.#placeOf(kind, path, name, stack);
    await place.store.setup();
    const resources = stack.move();
    return {
      kind,
      path,
      flags: [
        `--allow-read=${directory.path}`,
        `--allow-write=${directory.path}`,
      ],
      options: [],
      ...place,
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  }

  async #placeOf(
    kind: Kind,
    path: string,
    name: string,
    stack: AsyncDisposableStack,
  ): Promise<
    & Pick<StorePlace, "address" | "store">
    & Partial<Pick<StorePlace, "flags" | "options">>
  > {
    const access = [`--allow-read=${path}`, `--allow-write=${path}`];
    switch (kind) {
      case "directory": {
        const store = new DirectorySessionStore(path, { create: true });
        return { address: path, store, flags: access };
      }
      case "sqlite": {
        const store = stack.use(new SqliteSessionStore(path));
        return { address: `sqlite:${path}`, store, flags: access };
      }
      case "kv": {
        makeIfMissing(path);
        const kv = stack.adopt(await Deno.openKv(path), (kv) => kv.close());
        const store = new KvSessionStore(kv);
        const flags = [...access, "--unstable-kv"];
        return { address: `kv:${path}`, store, flags };
      }
      case "redis": {
        const { port } = this.redis;
        const { client } = stack.use(
          await connectRedis({ port, client: "redis", isCluster: false }),
        );
        return {
          address: `redis://operator:${PASSWORD}@127.0.0.1:${port}`,
          options: [`--prefix=${name}`],
          flags: [`--allow-net=127.0.0.1:${port}`],
          store: new RedisSessionStore(client, { prefix: name }),
        };
      }
      case "postgres": {
        const { port } = this.postgres;
        const { client } = stack.use(connectByPg(port));
        return {
          address: `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`,
          options: [`--table=${name}`],
          flags: [`--allow-net=127.0.0.1:${port}`, "--allow-env"],
          store: new PostgresSessionStore(client, { table: name }),
        };
      }
    }
  }
}

/** Runs a command on a store, with the permissions that its help names. */
export async function runOn(
  place: StorePlace,
  command: string,
  args: readonly string[] = [],
  stdin = "",
): Promise<Ending> {
  await using child = spawn(
    "mod.ts",
    [command, place.address, ...args, ...place.options],
    { flags: place.flags },
  );
  if (stdin !== "") await child.writeLine(stdin.trimEnd());
  return await child.end();
}

async function startRedis(): Promise<RedisServer> {
  const server = await RedisServer.start();
  await server.ask(
    ...["ACL", "SETUSER", "operator", "on", `>${PASSWORD}`, "~*", "+@all"],
  );
  return server;
}
