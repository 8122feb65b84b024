import type { SessionManager } from "../manager/manager.ts";
import type { Session } from "../session/session.ts";

/**
 * The type of a manager's sessions, for a framework that is told the types of
 * what its requests carry.
 *
 * @typeParam Manager The type of a {@linkcode SessionManager}.
 *
 * @example A context of Hono
 * ```ts
 * import {
 *   MemorySessionStore,
 *   SessionManager,
 *   type SessionOf,
 * } from "@latchkey/session";
 *
 * const sessions = new SessionManager<{ visits: number }>({
 *   store: new MemorySessionStore(),
 * });
 * // new Hono<Env>()
 * type Env = { Variables: { session: SessionOf<typeof sessions> } };
 *
 * export function countVisits(session: Env["Variables"]["session"]): number {
 *   return session.update("visits", (n = 0) => n + 1);
 * }
 * ```
 */
export type SessionOf<Manager> = Manager extends SessionManager<infer Data>
  ? Session<Data>
  : never;
