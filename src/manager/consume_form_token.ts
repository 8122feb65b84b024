import { SessionGoneError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import { verify } from "./rotation.ts";
import type { ManagerSettings } from "./manager_options.ts";
import { sealRecord } from "./sealed_record.ts";
import type { SessionState } from "../session/session_state.ts";
import { isSignedOut, loadRevocations } from "./users.ts";
import type { Visit } from "./visit.ts";

/**
 * Uses up a form token, in one step of the store.
 *
 * @param settings The manager's.
 * @param visit How the request came.
 * @param state What lies behind the session.
 * @param token What the form sent.
 * @returns `true` for the one request that may act on the form.
 * @throws {SessionConflictError} If the request is strict, and another one has
 * committed to the session.
 * @throws {TypeError} If the request is read-only.
 * @throws What the store throws.
 */
export async function consumeFormToken(
  settings: ManagerSettings,
  visit: Visit,
  state: SessionState,
  token: string,
): Promise<boolean> {
  const { credentials, isolation } = visit;
  const { formTokens } = state.use();
  if (!formTokens.has(token)) return false;
  if (credentials === undefined || formTokens.isAdded(token)) {
    return state.write().formTokens.remove(token);
  }
  const { id } = credentials;
  const { store, sealing } = settings;
  const revocations = await loadRevocations(store, [state.storedUser]);
  let isConsumed = false;
  let record: SessionRecord | undefined;
  let kept: SessionRecord | null | undefined;
  try {
    kept = await store.update(id, (stored) => {
      const verified = isSignedOut(id, stored, revocations)
        ? undefined
        : verify(settings, stored, credentials);
      const formTokens = verified?.record.formTokens ?? [];
      isConsumed = formTokens.includes(token);
      // Thrown, since whatever is returned would be written.
      if (!isConsumed) throw new SessionGoneError(id);
      const { secret, record: found } = verified!;
      const { formTokens: _formTokens, ...rest } = isolation.advance(
        id,
        found,
        true,
      );
      const left = formTokens.filter((other) => other !== token);
      record = left.length === 0 ? rest : { ...rest, formTokens: left };
      return sealRecord(record, { id, secret }, sealing);
    });
  } catch (error) {
    if (!(error instanceof SessionGoneError)) {
      isolation.countFailure(error);
      throw error;
    }
  }
  // The request has not seen what else is new in it.
  if (kept !== undefined) isolation.settle(record, false);
  state.forgetFormToken(token, kept ? record : undefined);
  return isConsumed && kept !== undefined;
}
