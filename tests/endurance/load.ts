/**
 * Runs as a process of its own: visitors of an application, at a steady rate,
 * until its standard input says "end". For each line before, it prints a sample.
 */

import { temporaryPath } from "../../src/directory/layout.ts";
import { Application } from "../nodes/application.ts";
import { linesOf } from "../nodes/lines.ts";
import { Revocations } from "../nodes/revocations.ts";
import { Visitor } from "../nodes/visitor.ts";
import {
  flagsFor,
  openStore,
  type StorePlace,
} from "../contract/open_store.ts";
import { Random } from "../random.ts";
import { type Child, spawn } from "../spawn.ts";

/** What a process does. */
export interface Load {
  readonly place: StorePlace & { readonly path: string };
  /** Tells its visitors from those of other processes. */
  readonly name: string;
  readonly visitors: number;
  /** Requests a second. */
  readonly rate: number;
  /** How long a session lives that its visitor leaves behind, in ms. */
  readonly leaveFor: number;
  /** Every how many ms it cleans up. */
  readonly cleanUpEvery: number;
  /** What it keeps of each request, on purpose. */
  readonly leak?: Leak | undefined;
}

/** What a leak loses. */
export type Leak = "heap" | "descriptors" | "files";

/** What a process says of itself. */
export interface ProcessSample {
  /** Requests so far. */
  readonly requests: number;
  /** In bytes. */
  readonly rss: number;
  /** What is in use after a collection, in bytes. */
  readonly heap: number;
}

/** Users whose sessions are revoked from time to time; a mark of each stays. */
const REVOKED_USERS = 20;
/** A revocation and a listing of all sessions come once in so many requests. */
const REVOKE_EVERY = 500;
const BYTES_LEAKED = 200_000;

/** Starts one; it is ready when the promise resolves. */
export async function startLoad(load: Load, directory: string): Promise<Child> {
  const child = spawn(import.meta.url, [JSON.stringify(load)], {
    flags: [...flagsFor(load.place, directory), "--v8-flags=--expose-gc"],
  });
  await child.expectLine("ready");
  return child;
}

/** Asks a process for a sample. */
export async function sample(child: Child): Promise<ProcessSample> {
  await child.writeLine("sample");
  const line = await child.readLine();
  if (line === undefined) throw new Error((await child.end()).stderr);
  return JSON.parse(line);
}

async function main(load: Load): Promise<void> {
  const { place, name, rate, leaveFor, cleanUpEvery, leak } = load;
  await using opened = await openStore(place);
  const { store } = opened;
  await store.setup();
  const application = new Application({
    store,
    seal: true,
    rotateEvery: 20_000,
    rotateGrace: 1_000,
    idleTimeout: 30 * 60_000,
  });
  const random = new Random(name.charCodeAt(0));
  const revocations = new Revocations();
  const send = (request: Request) => application.answer(request);
  let names = 0;
  const drawUser = () =>
    random.oneIn(2)
      ? `${name} user ${random.below(REVOKED_USERS)}`
      : `${name} new user ${names++}`;
  const idle = Array.from({ length: load.visitors }, (_, n) =>
    new Visitor({
      name: `${name} ${n}`,
      send,
      random,
      drawUser,
      revocations,
      leaveFor,
      isExclusive: store.lock !== undefined,
    }));

  let requests = 0;
  const leaked: unknown[] = [];
  const act = async (): Promise<void> => {
    const [visitor] = idle.splice(random.below(idle.length), 1);
    if (visitor === undefined) return; // all are under way: the store is slow
    const made = await visitor.act();
    requests += made;
    idle.push(visitor);
    if (random.oneIn(REVOKE_EVERY)) {
      const user = `${name} user ${random.below(REVOKED_USERS)}`;
      await application.sessions.sessionsOf(user);
      await revocations.during(user, async () => {
        await application.sessions.revokeUser(user);
        return true;
      });
    }
    if (leak === "heap") leaked.push(new Array(BYTES_LEAKED / 8).fill(0.5));
    if (leak === "descriptors") leaked.push(Deno.openSync(place.path));
    if (leak === "files") {
      const random = crypto.randomUUID().replaceAll("-", "");
      Deno.writeTextFileSync(temporaryPath(place.path, Date.now(), random), "");
    }
  };
  const underWay = new Set<Promise<unknown>>();
  /** Does not wait: what takes long holds up no others. An error ends the process. */
  const start = (work: Promise<unknown>): void => {
    underWay.add(work);
    work.then(() => underWay.delete(work));
  };
  let isOver = false;
  const begin = performance.now();
  const clean = setInterval(
    () => start(store.deleteOldSessions(60)),
    cleanUpEvery,
  );
  const run = (async () => {
    for (let due = 1; !isOver; due++) {
      start(act());
      const wait = begin + due * 1000 / rate - performance.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
    }
  })();

  console.log("ready");
  for await (const line of linesOf(Deno.stdin.readable)) {
    if (line === "end") break;
    (globalThis as unknown as { gc(): void }).gc();
    const { rss, heapUsed } = Deno.memoryUsage();
    const sample: ProcessSample = { requests, rss, heap: heapUsed };
    console.log(JSON.stringify(sample));
  }
  isOver = true;
  clearInterval(clean);
  await run;
  await Promise.all(underWay);
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]!));
