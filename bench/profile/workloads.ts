import { makePrivate } from "../harness/benchmark.ts";
import { type Child, type Command, denoCommand } from "../harness/child.ts";
import { type Action, CONTESTANTS } from "../http/contestants.ts";
import { makeVisits, type Ports, Visitors } from "../http/visitors.ts";
import { runWrk } from "../http/wrk.ts";
import { LOOPS } from "./loops.ts";

/** One side of a workload. */
export interface Sampled {
  readonly command: Command;
  /**
   * Lets it work.
   *
   * @param sampling Begins to sample; it has to be warm by then.
   * @returns How many operations it did since.
   */
  work(
    child: Child,
    seconds: number,
    sampling: () => Promise<void>,
  ): Promise<number>;
}

/** Prepares a side, in an empty directory. */
type Prepare = (
  side: "floor" | "ours",
  directory: string,
) => Sampled | Promise<Sampled>;

/** With names of functions for perf; V8 would also leave a log. */
const FLAGS = [
  "--allow-all",
  "--v8-flags=--perf-basic-prof,--no-logfile-per-isolate,--logfile=/dev/null",
];

/** What can be sampled. */
export const WORKLOADS: Readonly<Record<string, Prepare>> = {
  "HTTP, reading": (side, directory) => serve(side, directory, "read"),
  "HTTP, changing": (side, directory) => serve(side, directory, "change"),
  ...Object.fromEntries(
    LOOPS.map((name) =>
      [name, (side, directory) => ({
        command: denoCommand(new URL("loops.ts", import.meta.url), [
          name,
          side,
          directory,
        ], FLAGS),
        work: async (child, seconds, sampling) => {
          await child.next();
          await sampling();
          return await child.ask({ seconds });
        },
      })] satisfies [string, Prepare]
    ),
  ),
};

/** A server of `bench:http`, asked by wrk. */
async function serve(
  side: "floor" | "ours",
  directory: string,
  action: Action,
): Promise<Sampled> {
  const { module } = CONTESTANTS.find(({ kind }) => kind === side)!;
  const sessions = await makePrivate(`${directory}/sessions`);
  const cookies = `${directory}/cookies`;
  const server = new URL("../http/serve.ts", import.meta.url);
  return {
    command: denoCommand(server, [module, sessions], FLAGS),
    work: async (child, seconds, sampling) => {
      const ports = await child.next<Ports>();
      await new Visitors(ports).arrive(makeVisits(), cookies);
      const ask = async (seconds: number) => {
        const options = { connections: 32, seconds };
        const { requests } = await runWrk(ports[action], cookies, options);
        return requests;
      };
      await ask(4);
      await sampling();
      return await ask(seconds);
    },
  };
}
