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

/** Says what was compared, and what was wrong. */
export function describe(
  { compared, violations, errors }: NodesResult,
): string {
  const failures = Object.entries(errors).map(([name, count]) =>
    `${name} ${exact(count)}`
  );
  return [
    `${exact(compared)} answers compared, ${violations.length} wrong`,
    `answered with 500: ${failures.join(", ") || "none"}`,
    ...violations,
  ].join("\n");
}

function writeWaits({ median, p99, longest }: Waits): string {
  return [median, p99, longest].map((ms) => exact(Math.round(ms))).join(" / ");
}
