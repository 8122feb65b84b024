import { type Finding, ok, Tally, warn } from "../core/finding.ts";
import { fromJson } from "../core/record.ts";
import { SessionCensus } from "../core/session_census.ts";
import { userTag } from "../core/codec.ts";
import { eachUntilAborted, Pacer } from "../system/waiting.ts";
import { engineOf, type EngineSessionStore } from "./engine_store.ts";

/** How many sessions are looked up by their user. */
const LOOKED_UP = 1_000;

/** What {@linkcode inspectEngine} takes. */
export interface EngineInspectionOptions {
  /** Ends it, with the signal's reason. */
  readonly signal: AbortSignal;
  /** Is told how many rows it has seen. */
  readonly onProgress: (seen: number) => void;
}

/**
 * Inspects the rows of a store, which is set up, and looks some of them up by their
 * user.
 *
 * @param store The store.
 * @param options Ends it.
 */
export async function* inspectEngine(
  store: EngineSessionStore,
  { signal, onProgress }: EngineInspectionOptions,
): AsyncGenerator<Finding> {
  const engine = engineOf(store);
  const census = new SessionCensus(Date.now());
  const idsOf = new Map<string, string[]>();
  let [seen, chosen] = [0, 0];
  const pacer = new Pacer(() => onProgress(seen));
  for await (
    const [id, row] of eachUntilAborted(engine.rows(undefined), signal)
  ) {
    if (pacer.isDue) await pacer.pause();
    signal.throwIfAborted();
    seen++;
    const record = fromJson(row.json);
    if (typeof record === "string") census[record].add(id);
    else if (census.add(id, record, row.lastAccess)) {
      const { user } = record;
      if (user === undefined || chosen >= LOOKED_UP) continue;
      chosen++;
      const ids = idsOf.get(user) ?? [];
      idsOf.set(user, ids);
      ids.push(id);
    }
  }
  yield* census.findings();

  const lost = new Tally();
  for (const [user, ids] of idsOf) {
    const missing = new Set(ids);
    const found = engine.rows(userTag(user));
    for await (const [id] of eachUntilAborted(found, signal)) {
      missing.delete(id);
    }
    for (const id of missing) {
      // It may have ended meanwhile.
      const row = await engine.read(id);
      const record = row && fromJson(row.json);
      if (typeof record === "object" && record.user === user) lost.add(id);
    }
  }
  yield lost.count > 0
    ? warn(
      "index",
      lost.describe(
        "is missing in the index of users",
        "are missing in the index of users",
      ),
      "a list of the user's sessions lacks them until the next login; revokeUser ends them all the same",
    )
    : ok("index", `agrees with ${chosen} sessions that were looked up`);
}
