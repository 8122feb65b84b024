import type { Profile, Runtime } from "./contestant.ts";
import type { Column } from "./protocol.ts";
import type { Result } from "./results.ts";
import type { RunnerProcess } from "./runner_process.ts";

/** One contestant under one runtime. */
export interface Entry {
  readonly profile: Profile;
  readonly runtime: Runtime;
  readonly label: string;
  readonly command: readonly [string, ...string[]];
  readonly result: Result;
}

/** An entry that runs. */
export interface Competitor extends Entry {
  readonly process: RunnerProcess;
  /** What it takes part in. */
  readonly columns: readonly Column[];
  /** The memory that it had before it opened anything, in bytes, if known. */
  readonly empty: number | undefined;
}
