import { SessionGoneError } from "../core/errors.ts";
import { commitChange, renewCookie } from "./commit.ts";
import type { ManagerSettings } from "./manager_options.ts";
import type { SessionState } from "../session/session_state.ts";
import type { Header } from "../http/transport.ts";
import type { Visit } from "./visit.ts";

/**
 * Commits what a request did, if anything is to be kept or said.
 *
 * @param settings The manager's.
 * @param state What lies behind the session.
 * @returns What hands the client its token, or takes it back; `undefined` when
 * it has nothing to learn; a promise of it when the store has something to do.
 * @throws As `commit` of the manager.
 */
export function commitSession(
  settings: ManagerSettings,
  state: SessionState,
): Header | undefined | Promise<Header | undefined> {
  const visit = visitOf(settings, state);
  const isDue = visit.isSecretOld && !visit.isolation.isReadOnly;
  const change = state.begin(isDue);
  return change === undefined
    ? renewCookie(settings, visit)
    : commitChange(settings, visit, state, change)
      .finally(() => state.unlock());
}

/** The same; a refusal is told and not thrown. */
export function commitOrReport(
  settings: ManagerSettings,
  state: SessionState,
): Header | undefined | Promise<Header | undefined> {
  const header = commitSession(settings, state);
  if (!(header instanceof Promise)) return header;
  return header.catch((error) => {
    if (!(error instanceof SessionGoneError)) throw error;
    const { sessionId } = error;
    settings.onEvent?.({ type: "refused", sessionId, error });
    return undefined;
  });
}

/**
 * Ends a request without a commit.
 *
 * @returns A promise when there is a lock to free.
 */
export function closeVisit(
  settings: ManagerSettings,
  state: SessionState,
): PromiseLike<void> | undefined {
  const { isolation } = visitOf(settings, state);
  state.close();
  return isolation.leave();
}

/** The request header that a response depends on, if it does. */
export function varyOf(
  { transport }: ManagerSettings,
  { isUsed }: SessionState,
): string | undefined {
  return isUsed ? transport.vary : undefined;
}

/**
 * Finds how a request came to its session.
 *
 * @throws {TypeError} If another manager opened the session.
 */
export function visitOf(
  settings: ManagerSettings,
  { visit }: SessionState,
): Visit {
  if (visit?.owner === settings) return visit;
  throw new TypeError(
    "Cannot commit the session: this manager did not open it",
  );
}
