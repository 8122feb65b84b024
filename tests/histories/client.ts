/**
 * Runs in a process or worker of its own: flows that make random calls on a few
 * sessions, which other clients use as well. A process takes its task as an
 * argument, a worker as its first message; both open the store, send "ready",
 * wait for the word to begin, and send "done". A process also says "at work".
 */

import { migrateSessions } from "../../src/migration/move_session.ts";
import {
  type MigratingPlace,
  type OpenedStore,
  openStore,
  type StorePlace,
} from "../contract/open_store.ts";
import { type Damage, inflict } from "./damage.ts";
import { Flow } from "./flow.ts";
import { HistoryWriter } from "./history.ts";

/** The task of a client. */
export interface Task {
  readonly place: StorePlace;
  /** The file of the history. */
  readonly history: string;
  readonly seed: number;
  /** Its number in the history; each of its flows has one, from this up. */
  readonly client: number;
  /** How many operations each flow makes; `null` for no limit, until it is killed. */
  readonly operations: number | null;
  /** Whether it only moves sessions from one store to the other. */
  readonly isMover?: boolean | undefined;
  /** The deliberate damage to its store. */
  readonly damage?: Damage | undefined;
}

/** How many flows a client has; each makes one operation at a time. */
export const FLOWS = 2;

/** How often all sessions are moved. */
const ROUNDS = 20;

/** Opens its store, which may take longer than a short life. */
async function open({ place, damage }: Task): Promise<OpenedStore> {
  return await openStore(place, { isDamaged: damage !== undefined });
}

/** Moves all sessions, again and again. */
async function move(place: MigratingPlace): Promise<void> {
  const { openMigrating } = await import("../engines/open_migrating.ts");
  await using opened = await openMigrating(place);
  for (let round = 0; round < ROUNDS; round++) {
    await migrateSessions(opened.from, opened.to);
    await new Promise(setImmediate);
  }
}

/** Does its task; its flows run concurrently. */
async function run(
  task: Task,
  { store }: OpenedStore,
  tellAtWork: () => void = () => {},
): Promise<void> {
  const { client, damage, seed } = task;
  using history = new HistoryWriter(task.history);
  await store.setup();
  if (damage !== undefined) inflict(damage);
  tellAtWork();
  if (task.isMover) return await move(task.place as MigratingPlace);
  await Promise.all(Array.from({ length: FLOWS }, async (_, n) => {
    const flow = new Flow({
      client: client + n,
      store,
      history,
      seed,
      toleratesErrors: damage !== undefined,
    });
    await flow.run(task.operations ?? Infinity);
  }));
}

async function runInProcess(): Promise<void> {
  const task: Task = JSON.parse(Deno.args[0]!);
  await using opened = await open(task);
  console.log("ready");
  const reader = Deno.stdin.readable.getReader();
  await reader.read();
  await reader.cancel();
  await run(task, opened, () => console.log("at work"));
  console.log("done");
}

function runInWorker(): void {
  const scope = globalThis as unknown as Worker;
  let task: Task;
  let opened: OpenedStore;
  scope.onmessage = async ({ data }: MessageEvent<Task | "begin">) => {
    if (data === "begin") {
      await run(task, opened);
      await opened[Symbol.asyncDispose]();
      scope.postMessage("done");
    } else {
      task = data;
      opened = await open(task);
      scope.postMessage("ready");
    }
  };
}

if (import.meta.main) {
  if ("WorkerGlobalScope" in globalThis) runInWorker();
  else await runInProcess();
}
