/** Starts processes and workers that share a directory of sessions. */

import { spawn } from "../spawn.ts";
import type { Report, Task } from "./client_script.ts";

const SCRIPT = new URL("./client_script.ts", import.meta.url);

/** Another process or worker that uses the directory. */
export interface Client extends AsyncDisposable {
  /** Lets it begin, and gives what it reports. */
  run(): Promise<Report>;
  /** Kills it at once, whatever it does. */
  kill(): Promise<void>;
}

/** How a client is started. */
export type Start = (task: Task) => Promise<Client>;

/**
 * Starts a process, which has permissions for the task's directory only.
 *
 * @param task What it does.
 * @returns It, when it is ready to begin.
 */
export async function startProcess(task: Task): Promise<Client> {
  const directory = task.act === "hold"
    ? task.path.slice(0, task.path.lastIndexOf("/"))
    : task.directory;
  const process = spawn(SCRIPT, [JSON.stringify(task)], { paths: [directory] });
  await process.expectLine("ready");
  return {
    run: async () => {
      await process.writeLine();
      const { stdout, stderr } = await process.end();
      if (stdout === "") throw new Error(`No report of a process: ${stderr}`);
      return JSON.parse(stdout);
    },
    kill: async () => {
      process.kill();
      await process.end();
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

/**
 * Starts a worker.
 *
 * @param task What it does.
 * @returns It, when it is ready to begin.
 */
export async function startWorker(task: Task): Promise<Client> {
  const worker = new Worker(SCRIPT, { type: "module" });
  const ask = (message: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      worker.postMessage(message);
    });
  await ask(task);
  return {
    run: async () => await ask("begin") as Report,
    kill: () => Promise.resolve(worker.terminate()),
    [Symbol.asyncDispose]: () => Promise.resolve(worker.terminate()),
  };
}

/**
 * Runs tasks concurrently: all are ready before the first one begins.
 *
 * @param starts How each is started, and its task.
 * @returns What each reports.
 */
export async function runTogether(
  starts: readonly (readonly [Start, Task])[],
): Promise<Report[]> {
  await using stack = new AsyncDisposableStack();
  const clients = await Promise.all(
    starts.map(async ([start, task]) => stack.use(await start(task))),
  );
  return await Promise.all(clients.map((client) => client.run()));
}
