/*
 * One side of a workload that needs no client, in a process of its own. It warms up,
 * answers, and then does for so many seconds what it is asked to do.
 *
 *   loops.ts NAME floor|ours DIRECTORY
 */
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { makeDataSet } from "../data_set.ts";
import { answer } from "../harness/child.ts";
import { makePrivate } from "../harness/benchmark.ts";
import { makeOperations, type OperationName } from "../operations.ts";

/** What is done again and again. */
interface Loop {
  readonly floor: () => unknown;
  readonly ours: () => unknown;
  readonly close?: (() => void | Promise<void>) | undefined;
}

const SIZE = 500;
const WARM_UP = 2;
const HOUR = 60 * 60 * 1000;
const OPERATIONS: readonly OperationName[] = [
  "load",
  "load and touch, not due",
  "update",
];
const ENGINES = ["sqlite", "kv", "postgres", "redis"];
const SIGNED_IN = "request that reads, signed in";

/** What there is. */
export const LOOPS: readonly string[] = [...OPERATIONS, SIGNED_IN, ...ENGINES];

/** Makes the sessions that it needs, in a directory that is empty. */
async function prepare(name: string, directory: string): Promise<Loop> {
  if (name === SIGNED_IN) return await prepareRequests(directory);
  if (ENGINES.includes(name)) return await prepareEngine(name, directory);
  const operations = await makeOperations(directory, SIZE);
  const { floor, directory: ours } = operations[name as OperationName];
  return { floor: floor.run, ours: ours.run };
}

/** The floor is the same request without a user. */
async function prepareRequests(directory: string): Promise<Loop> {
  const store = new DirectorySessionStore(await makePrivate(directory));
  const sessions = new SessionManager({ store, idleTimeout: HOUR });
  const prepareOne = async (user: string | null) => {
    const url = "http://localhost/";
    const response = await sessions.run(new Request(url), (session) => {
      session.setUser(user);
      session.set("theme", "dark");
      return new Response();
    });
    const cookie = response.headers.getSetCookie()[0]!.split(";", 1)[0]!;
    return () =>
      sessions.run(new Request(url, { headers: { cookie } }), (session) => {
        return new Response(session.get("theme") as string);
      });
  };
  return { floor: await prepareOne(null), ours: await prepareOne("ann") };
}

/** The floor is the engine's own get of the same JSON, parsed. */
async function prepareEngine(name: string, directory: string): Promise<Loop> {
  // The drivers are loaded where they are needed only.
  const { ENGINES } = await import("../engines/engines.ts");
  const { getBare } = await import("../engines/measure_engine.ts");
  const engine = await ENGINES[name]!(directory);
  const { store } = engine;
  await store.setup();
  const { ids, walk, record } = makeDataSet(SIZE, HOUR);
  const createdAt = Date.now();
  for (const id of ids) await store.save(id, { ...record, createdAt });
  const next = walk();
  const touch = () => false;
  return {
    floor: () => getBare(engine, next()),
    ours: () => store.load(next(), { touch }),
    close: () => engine.close?.(),
  };
}

/** Does something for so many seconds, and returns how often. */
async function repeat(act: () => unknown, seconds: number): Promise<number> {
  const end = performance.now() + 1_000 * seconds;
  let count = 0;
  while (performance.now() < end) {
    for (let n = 0; n < 100; n++) {
      const result = act();
      if (result instanceof Promise) await result;
    }
    count += 100;
  }
  return count;
}

if (import.meta.main) {
  const [name, side, directory] = Deno.args as [string, keyof Loop, string];
  const { [side]: act, close } = await prepare(name, directory);
  await repeat(act!, WARM_UP);
  answer("warm");
  const input = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  for await (const text of input) {
    const { seconds } = JSON.parse(text) as { seconds: number };
    answer(await repeat(act!, seconds));
  }
  await close?.();
  Deno.exit();
}
