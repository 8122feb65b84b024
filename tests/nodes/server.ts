/**
 * Runs as a process of its own: a server of the application. It prints its port,
 * then for each line of its standard input what it has counted; SIGTERM lets it
 * finish the requests under way, and ends it.
 */

import { KEEP, type SessionStore } from "../../src/core/store.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { isRevocationId } from "../../src/core/revocation.ts";
import { RedisSessionStore } from "../../src/engines/redis.ts";
import type { OpenedStore } from "../contract/open_store.ts";
import { openPostgres, type PostgresPlace } from "../engines/open_postgres.ts";
import { connectRedis, type RedisPlace } from "../engines/open_redis.ts";
import { type Child, spawn } from "../spawn.ts";
import { Application } from "./application.ts";
import { linesOf } from "./lines.ts";

/** What a server is. */
export interface ServerOptions {
  readonly place: PostgresPlace | RedisPlace;
  /** The server's secrets, as the manager takes them. */
  readonly secrets: readonly string[];
  /** Which version of this package it stands for: from 2 up, each adds a member to records. */
  readonly version: number;
  /** Every how many ms a session gets another secret. */
  readonly rotateEvery: number;
}

/** What a server has counted since it began. */
export interface ServerCounts {
  readonly resealed: number;
  /** Sessions that none of its secrets opened. */
  readonly unopenable: number;
  /** Members of a later version that a change has dropped. */
  readonly dropped: number;
}

/** A server that is running. */
export interface RunningServer {
  readonly port: number;
  readonly process: Child;
}

/** Starts a server. */
export async function startServer(
  options: ServerOptions,
): Promise<RunningServer> {
  const process = spawn(import.meta.url, [JSON.stringify(options)], {
    flags: ["--allow-net=127.0.0.1", "--allow-env", "--allow-sys"],
  });
  const line = await process.readLine();
  if (line === undefined) {
    throw new Error(`A server did not start: ${(await process.end()).stderr}`);
  }
  return { port: Number(line), process };
}

async function openStore(
  place: ServerOptions["place"],
): Promise<OpenedStore> {
  if (place.kind === "postgres") return openPostgres(place, undefined);
  // What it reports of its connections, its commands say as well.
  const connected = await connectRedis(place, () => {});
  return {
    store: new RedisSessionStore(connected.client, { prefix: place.prefix }),
    [Symbol.asyncDispose]: () => connected[Symbol.asyncDispose](),
  };
}

/**
 * Makes a store that keeps records as a version of this package might, and sees
 * that a change keeps what a later one has added.
 */
function asVersion(
  store: SessionStore,
  version: number,
  onDropped: () => void,
): SessionStore {
  const name = `addedIn${version}`;
  const added = version > 1 ? { [name]: { keys: ["one", "two"] } } : {};
  const methods: Pick<SessionStore, "create" | "update"> = {
    create: (id, record, options) =>
      store.create(id, { ...record, ...added }, options),
    update: (id, change, options) =>
      store.update(id, (found) => {
        // The manager finds what it has written.
        const before = Object.fromEntries(
          Object.entries(found).filter(([member]) => member !== name),
        ) as unknown as SessionRecord;
        const after = change(before);
        if (after === undefined || after === KEEP) return after;
        // A revocation begins anew each time.
        if (!isRevocationId(id) && hasDropped(before, after)) onDropped();
        return { ...after, ...added };
      }, options),
  };
  return new Proxy(store, {
    get: (_, name) => {
      if (name in methods) return methods[name as keyof typeof methods];
      const value = store[name as keyof SessionStore];
      return typeof value === "function" ? value.bind(store) : value;
    },
  });
}

/** A login and `regenerate` may; so may a change of the user. */
function hasDropped(before: SessionRecord, after: SessionRecord): boolean {
  return before.renewals === after.renewals && before.user === after.user &&
    Object.keys(before).some((name) =>
      name.startsWith("addedIn") && !Object.hasOwn(after, name)
    );
}

/** Waits until the store can be used: before, the server takes no requests. */
async function untilReady(store: SessionStore): Promise<void> {
  for (;;) {
    try {
      return await store.setup();
    } catch (error) {
      console.error(error);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function main(options: ServerOptions): Promise<void> {
  const { place, secrets, version, rotateEvery } = options;
  await using opened = await openStore(place);
  await untilReady(opened.store);
  let unopenable = 0;
  let dropped = 0;
  const application = new Application({
    store: asVersion(opened.store, version, () => dropped++),
    seal: true,
    secrets,
    rotateEvery,
    rotateGrace: 5_000,
    idleTimeout: 30 * 60_000,
    storeTimeout: 5_000,
    onEvent: ({ type }) => {
      if (type === "unopenable") unopenable++;
    },
  });
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => console.log(port),
    onError: (error) => new Response(String(error), { status: 500 }),
  }, (request) => application.answer(request));
  Deno.addSignalListener("SIGTERM", () => void server.shutdown());
  for await (const _line of linesOf(Deno.stdin.readable)) {
    const { resealed } = application.sessions.counters;
    const counts: ServerCounts = { resealed, unopenable, dropped };
    console.log(JSON.stringify(counts));
  }
  // It was told to end, or what has started it is gone. The store is closed
  // after the last request.
  await server.shutdown();
}

if (import.meta.main) {
  await main(JSON.parse(Deno.args[0]!));
  Deno.exit();
}
