/*
 * The process whose event loop is measured. What it does 1,000 times a second:
 *
 *   nothing        the noise of the machine
 *   store          `save` of the store
 *   asynchronous   `Deno.writeTextFile` and `Deno.rename`, without any lock
 *   serve          answers requests that change a session; they come from outside
 */
import { hashSecret } from "../../src/core/token.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { makeDataSet } from "../data_set.ts";
import { answer } from "../harness/child.ts";
import { type Delays, delaysOf } from "../harness/statistics.ts";
import { atRate } from "./at_rate.ts";
import { LoopDelay } from "./loop_delay.ts";

/** What the process does. */
export type Kind = "nothing" | "store" | "asynchronous" | "serve";

/** What the process answers at its end. */
export interface Report {
  readonly delays: Delays;
  /** Changes per second. */
  readonly speed: number;
  /** How long a change took from its call to its answer, in milliseconds. */
  readonly took: Delays | null;
}

/** The secret of every session, so that a cookie can be made. */
export const SECRET: string = "A".repeat(22);

const { ids, record, walk } = makeDataSet(500);

if (import.meta.main) {
  const [kind, directory, seconds, rate] = Deno.args as [
    Kind,
    string,
    string,
    string,
  ];
  const store = new DirectorySessionStore(directory);
  const kept = { ...record, secretHash: hashSecret(SECRET) };
  for (const id of ids) await store.save(id, kept);
  const took: number[] = [];
  const next = walk();
  let temporary = 0;
  const change: Record<Kind, () => Promise<unknown> | undefined> = {
    nothing: () => undefined,
    serve: () => undefined,
    store: () => store.save(next(), kept),
    asynchronous: async () => {
      const path = `${directory}/${temporary++}.part`;
      await Deno.writeTextFile(path, JSON.stringify(kept));
      await Deno.rename(path, `${directory}/${next()}.json`);
    },
  };

  const delay = await LoopDelay.start();
  const start = performance.now();
  if (kind === "serve") await serve(store, took);
  else {
    await atRate(Number(rate), Number(seconds), () => {
      const before = performance.now();
      return change[kind]()?.then(() => took.push(performance.now() - before));
    });
  }
  const spent = performance.now() - start;
  const report: Report = {
    delays: delay.stop(),
    speed: 1_000 * took.length / spent,
    took: took.length === 0 ? null : delaysOf(took),
  };
  answer(report);
}

/** Serves until the input ends; says on which port. */
async function serve(
  store: DirectorySessionStore,
  took: number[],
): Promise<void> {
  const manager = new SessionManager<{ visits: number }>({ store });
  const handle = manager.handler((_request, session) => {
    session.update("visits", (visits = 0) => visits + 1);
    return new Response();
  });
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen: ({ port }) => answer(port),
    },
    async (request, info) => {
      const before = performance.now();
      const response = await handle(request, info);
      took.push(performance.now() - before);
      return response;
    },
  );
  for await (const _part of Deno.stdin.readable);
  await server.shutdown();
}
