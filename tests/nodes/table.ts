import { exact, table } from "../../bench/harness/markdown.ts";
import type { NodesResult, Phase, Waits } from "./run.ts";

/** Makes a table: a row an event, waits before, during and after it. */
export function tabulate(phases: readonly Phase[]): string {
  return table(
    ["", "s", "requests/s", "failed", "before", "during", "after"],
    phases.map(({ event, before, during, after }) => {
      const all = [before, during, after];
      return [
        event,
        during.seconds.toFixed(1),
        all.map(({ requests, seconds }) =>
          exact(Math.round(requests / seconds))
        )
          .join(" / "),
        all.map(({ failed }) => exact(failed)).join(" / "),
        ...all.map(writeWaits),
      ];
    }),
  );
}

/** Says what was compared, what was wrong, and why requests failed. */
export function describe(
  { compared, violations, failures }: NodesResult,
): string {
  return [
    `${exact(compared)} answers compared, ${violations.length} wrong`,
    ...violations,
    ...failures.entries().map(([reason, count]) =>
      `failed: ${exact(count)}, ${reason}`
    ),
  ].join("\n");
}

function writeWaits({ median, p99, longest }: Waits): string {
  return [median, p99, longest].map((ms) => exact(Math.round(ms))).join(" / ");
}
