import type { Results } from "./results.ts";

/**
 * Puts the cleanups and the loads among many of an earlier run where a later
 * one measured none: they take most of the time.
 *
 * @param earlier What was measured then.
 * @param later What was measured now.
 */
export function withKept(earlier: Results, later: Results): Results {
  const results = later.results.map((result) => {
    const { cleanup, many } = earlier.results.find(({ name, runtime }) =>
      name === result.name && runtime === result.runtime
    ) ?? {};
    return {
      ...(cleanup !== undefined && { cleanup }),
      ...(many !== undefined && { many }),
      ...result,
    };
  });
  return { ...later, results, kept: earlier.date };
}
