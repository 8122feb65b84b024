/**
 * Runs in a process or worker of its own, concurrently with others in a directory
 * of sessions. A process takes its task as an argument, a worker as its first
 * message; both report that they are ready, wait for the word to begin, and send
 * their results.
 */

import { SessionConflictError } from "../../src/core/errors.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { openLocked } from "../../src/directory/file_lock.ts";
import type { IsolationLevel } from "../../src/manager/isolation.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";

/** The task of a client. */
export type Task =
  /** Adds 1 to `data.n` of one session, again and again. */
  | {
    readonly act: "increment";
    readonly directory: string;
    readonly id: string;
    readonly times: number;
  }
  /** Tries to create each session, and marks those it wins as its own. */
  | {
    readonly act: "create";
    readonly directory: string;
    readonly ids: readonly string[];
    readonly mark: number;
  }
  /** Takes the exclusive lock of a file, and keeps it until it is killed. */
  | { readonly act: "hold"; readonly path: string }
  /**
   * Sends requests with one cookie, one after the other; each sets `n` to 1
   * more than it has read. It reports how many failed with a conflict.
   */
  | {
    readonly act: "request";
    readonly directory: string;
    readonly cookie: string;
    readonly times: number;
    readonly isolation: IsolationLevel;
  }
  /** Begins an exclusive request, and stays in its handler until it is killed. */
  | {
    readonly act: "stay";
    readonly directory: string;
    readonly cookie: string;
  }
  /**
   * Logs the user in and out, again and again, in a session of its own, and
   * lists the user's sessions each time. It reports each list without its session
   * after a login, and with it after a logout.
   */
  | {
    readonly act: "sign";
    readonly directory: string;
    readonly id: string;
    readonly user: string;
    readonly times: number;
  }
  /** Cleans up, again and again. */
  | {
    readonly act: "clean";
    readonly directory: string;
    readonly times: number;
  }
  /** Calls every operation that calls lstat before it reads. */
  | {
    readonly act: "look";
    readonly directory: string;
    readonly id: string;
  };

/** The report of a client: the outcomes, by the names of its acts. */
export type Report = Readonly<Record<string, unknown>>;

function openStore(directory: string): DirectorySessionStore {
  return new DirectorySessionStore(directory, { onWarning: () => {} });
}

async function prepare(task: Task): Promise<() => Promise<Report>> {
  switch (task.act) {
    case "increment": {
      const store = openStore(task.directory);
      await store.setup();
      return () => increment(store, task.id, task.times);
    }
    case "create": {
      const store = openStore(task.directory);
      await store.setup();
      return () => create(store, task.ids, task.mark);
    }
    case "hold": {
      const held = openLocked(task.path, true);
      if (typeof held !== "object") throw new Error("the lock is not free");
      return () => new Promise(() => setInterval(() => held, 1e6));
    }
    case "request": {
      const manager = await openManager(task.directory);
      return () => sendRequests(manager, task);
    }
    case "stay": {
      const manager = await openManager(task.directory);
      await new Promise<void>((resolve, reject) => {
        manager.run(requestWith(task.cookie), () => {
          resolve();
          return new Promise(() => setInterval(() => {}, 1e6));
        }, { isolation: "exclusive" }).catch(reject);
      });
      return () => new Promise(() => {});
    }
    case "sign": {
      const store = openStore(task.directory);
      await store.setup();
      return () => sign(store, task);
    }
    case "clean": {
      const store = openStore(task.directory);
      await store.setup();
      return () => clean(store, task.times);
    }
    case "look": {
      const store = openStore(task.directory);
      await store.setup();
      return () => look(store, task.id);
    }
  }
}

async function increment(
  store: DirectorySessionStore,
  id: string,
  times: number,
): Promise<Report> {
  const begin = performance.now();
  for (let time = 0; time < times; time++) {
    await store.update(id, (record) => ({
      ...record,
      data: { n: Number(record.data.n) + 1 },
    }));
  }
  return { ms: performance.now() - begin };
}

async function openManager(
  directory: string,
): Promise<SessionManager<{ n: number }>> {
  const store = openStore(directory);
  await store.setup();
  return new SessionManager<{ n: number }>({ store, lockTimeout: 60_000 });
}

function requestWith(cookie: string): Request {
  return new Request("http://localhost/", { headers: { cookie } });
}

async function sendRequests(
  manager: SessionManager<{ n: number }>,
  { cookie, times, isolation }: Task & { readonly act: "request" },
): Promise<Report> {
  let failed = 0;
  for (let time = 0; time < times; time++) {
    try {
      await manager.run(requestWith(cookie), async (session) => {
        const n = session.get("n")!;
        await new Promise(setImmediate);
        session.set("n", n + 1);
        return new Response();
      }, { isolation });
    } catch (error) {
      if (!(error instanceof SessionConflictError)) throw error;
      failed++;
    }
  }
  return { failed, counters: manager.counters };
}

async function create(
  store: DirectorySessionStore,
  ids: readonly string[],
  mark: number,
): Promise<Report> {
  const won: string[] = [];
  for (const id of ids) {
    const isMine = await store.create(id, { data: { mark }, createdAt: 1 });
    if (isMine) won.push(id);
  }
  return { won };
}

async function sign(
  store: DirectorySessionStore,
  { id, user, times }: Task & { readonly act: "sign" },
): Promise<Report> {
  const record: SessionRecord = { data: {}, createdAt: 1 };
  const wrong: string[] = [];
  const find = async () => {
    const found = await Array.fromAsync(store.entries({ user }));
    return found.some(([found]) => found === id);
  };
  const logins = [
    () => store.create(id, { ...record, user }),
    () => store.save(id, { ...record, user }),
    () => store.update(id, (record) => ({ ...record, user })),
  ];
  const logouts = [
    () => store.delete(id),
    () => store.update(id, ({ user: _user, ...rest }) => rest),
    () => store.update(id, () => undefined),
  ];
  for (let time = 0; time < times; time++) {
    const way = time % logins.length;
    await logins[way]!();
    if (!await find()) wrong.push(`not found after login ${way}`);
    await logouts[way]!();
    if (await find()) wrong.push(`found after logout ${way}`);
  }
  return { wrong };
}

async function clean(
  store: DirectorySessionStore,
  times: number,
): Promise<Report> {
  for (let time = 0; time < times; time++) await store.deleteOldSessions(1e9);
  return {};
}

async function look(
  store: DirectorySessionStore,
  id: string,
): Promise<Report> {
  const record: SessionRecord = { data: {}, createdAt: 1 };
  const refusal = (error: unknown) => (error as Error).name;
  return {
    touch: await store.touch(id),
    update: String(await store.update(id, () => record)),
    delete: await store.delete(id),
    entries: (await Array.fromAsync(store.entries())).length,
    cleanup: await store.deleteOldSessions(0),
    save: await store.save(id, record).then(() => "saved", refusal),
    create: await store.create(id, record).then(String, refusal),
  };
}

async function runInProcess(): Promise<void> {
  const begin = await prepare(JSON.parse(Deno.args[0]!));
  console.log("ready");
  const reader = Deno.stdin.readable.getReader();
  await reader.read();
  await reader.cancel();
  console.log(JSON.stringify(await begin()));
}

function runInWorker(): void {
  const scope = globalThis as unknown as Worker;
  let begin: () => Promise<Report>;
  scope.onmessage = async ({ data }: MessageEvent<Task | "begin">) => {
    if (data === "begin") {
      scope.postMessage(await begin());
    } else {
      begin = await prepare(data);
      scope.postMessage("ready");
    }
  };
}

if (import.meta.main) {
  if ("WorkerGlobalScope" in globalThis) runInWorker();
  else await runInProcess();
}
