import type { Adapter, Runtime } from "./contestant.ts";
import type { Result } from "./results.ts";
import type { RunnerProcess } from "./runner_process.ts";

/** One adapter under one runtime. */
export interface Entry {
  readonly adapter: Adapter;
  readonly runtime: Runtime;
  readonly label: string;
  readonly command: readonly [string, ...string[]];
  readonly result: Result;
}

/** An entry that runs. */
export interface Competitor extends Entry {
  readonly process: RunnerProcess;
  readonly hasTouch: boolean;
}
