/** Starts the clients whose history is checked, and ends them. */

import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import {
  flagsFor,
  type OpenedStore,
  openStore,
  settle,
  type StorePlace,
} from "../contract/open_store.ts";
import { spawn } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { FLOWS, type Task } from "./client.ts";
import { IDS, sessionOf } from "./flow.ts";
import { type Event, HistoryWriter, readEvents } from "./history.ts";

const SCRIPT = new URL("./client.ts", import.meta.url);

/** A process or a worker with a task. */
interface Client extends AsyncDisposable {
  /** Lets it begin; a process is at work when the promise resolves. */
  begin(): Promise<void>;
  /** Resolves when it has made all its operations. */
  isDone(): Promise<void>;
}

/** A client that can be killed. */
interface ProcessClient extends Client {
  /** Sends SIGKILL; none of its operations continues when the promise resolves. */
  kill(): Promise<void>;
}

/** How many clients there are, and what they do. */
export interface CrowdOptions extends Pick<Task, "seed" | "damage"> {
  readonly processes: number;
  readonly workers?: number;
  /** How many further processes move the sessions to another store. */
  readonly movers?: number;
  /** How many operations all clients make together. */
  readonly operations: number;
}

/** A place of sessions, and the history of the operations there. */
export class Ground implements Disposable {
  readonly #root = new TemporaryDirectory();
  readonly #place: StorePlace;
  #clients = 0;

  /** @param place Where the sessions are; by default, a directory of its own. */
  constructor(place?: StorePlace) {
    this.#place = place ??
      { kind: "directory", path: this.#root.join("sessions") };
  }

  get #history(): string {
    return this.#root.join("history");
  }

  /** Where the directory of sessions is. */
  get #directory(): string {
    if (this.#place.kind === "directory") return this.#place.path;
    throw new Error("The sessions are in no directory");
  }

  /** Sets the store up. */
  async setup(): Promise<void> {
    await using opened = await openStore(this.#place);
    await opened.store.setup();
  }

  /** Opens the store of the directory; it does not wait for locks. */
  openStore(): DirectorySessionStore {
    return new DirectorySessionStore(this.#directory, { lockTimeout: 0 });
  }

  /** All that has happened so far. */
  readEvents(): Event[] {
    return readEvents(this.#history);
  }

  /** Names what is in the directory of sessions. */
  list(): string[] {
    return [...Deno.readDirSync(this.#directory)].map(({ name }) => name);
  }

  /** Runs clients concurrently until each has made its operations. */
  async run(options: CrowdOptions): Promise<void> {
    const { processes, workers = 0, movers = 0, operations } = options;
    const part = Math.ceil(operations / (processes + workers) / FLOWS);
    await using stack = new AsyncDisposableStack();
    const starts = [
      ...Array(processes).fill(startProcess),
      ...Array(workers).fill(startWorker),
    ] as ((task: Task) => Promise<Client>)[];
    const tasks = starts.map(() => this.#task(options, part));
    for (let n = 0; n < movers; n++) {
      starts.push(startProcess);
      tasks.push({ ...this.#task(options, part), isMover: true });
    }
    const clients = await Promise.all(starts.map(async (start, n) => {
      return stack.use(await start(tasks[n]!));
    }));
    await Promise.all(clients.map((client) => client.begin()));
    await Promise.all(clients.map((client) => client.isDone()));
  }

  /**
   * Runs processes, kills each at a random moment and starts another in its
   * place, for this number of kills in all.
   */
  async runAndKill(
    options: Omit<CrowdOptions, "operations" | "workers">,
    kills: number,
    lifetime: () => number,
  ): Promise<void> {
    using history = new HistoryWriter(this.#history);
    let left = kills;
    const inPlace = async (isMover: boolean): Promise<void> => {
      while (left-- > 0) {
        const task = { ...this.#task(options, null), isMover };
        await using client = await startProcess(task);
        await client.begin();
        await new Promise((resolve) => setTimeout(resolve, lifetime()));
        await client.kill();
        for (let flow = 0; flow < FLOWS; flow++) {
          const event = { client: task.client + flow, at: Date.now() };
          history.append({ ...event, death: true });
        }
      }
    };
    const { processes, movers = 0 } = options;
    const all = Array.from(
      { length: processes + movers },
      (_, n) => inPlace(n >= processes),
    );
    await Promise.all(all);
  }

  /** Puts every session into a store, and adds that to the history. */
  async fill({ store }: OpenedStore): Promise<void> {
    using history = new HistoryWriter(this.#history);
    const { client } = this.#task({ seed: 0, damage: undefined }, null);
    for (const [session, id] of IDS.entries()) {
      const value = client * 1_000_000 + session + 1;
      const call = { call: "save" as const, session, value };
      history.append({ client, at: Date.now(), ...call });
      await store.save(id, sessionOf(call));
      history.append({ client, at: Date.now(), answer: true });
    }
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }

  #task(
    { seed, damage }: Pick<Task, "seed" | "damage">,
    operations: number | null,
  ): Task {
    const client = this.#clients;
    this.#clients += FLOWS;
    return {
      place: this.#place,
      history: this.#history,
      seed,
      client,
      operations,
      damage,
    };
  }
}

async function startProcess(task: Task): Promise<ProcessClient> {
  const process = spawn(SCRIPT, [JSON.stringify(task)], {
    flags: flagsFor(task.place, task.history),
  });
  const client: ProcessClient = {
    begin: async () => {
      await process.writeLine();
      await process.expectLine("at work");
    },
    isDone: async () => {
      await process.expectLine("done");
      await process.end();
    },
    kill: async () => {
      process.kill();
      await process.end();
      await settle(task.place, process.pid);
    },
    [Symbol.asyncDispose]: () => client.kill(),
  };
  await process.expectLine("ready");
  return client;
}

async function startWorker(task: Task): Promise<Client> {
  const worker = new Worker(SCRIPT, { type: "module" });
  const expect = (word: string): Promise<void> =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) =>
        data === word ? resolve() : reject(new Error(`A worker said ${data}`));
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
  const isReady = expect("ready");
  worker.postMessage(task);
  await isReady;
  let isDone: Promise<void> = Promise.resolve();
  return {
    begin: () => {
      isDone = expect("done");
      worker.postMessage("begin");
      return Promise.resolve();
    },
    isDone: () => isDone,
    [Symbol.asyncDispose]: () => Promise.resolve(worker.terminate()),
  };
}
