import { SessionGoneError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import { admit, type Claim } from "./admit.ts";
import type { ManagerSettings } from "./manager_options.ts";
import { sealRecord } from "./sealed_record.ts";
import type { SessionState } from "./session_state.ts";
import { isSignedOut, loadMarks } from "./user_marks.ts";

/**
 * Uses up a form token of a stored record, in one step of the store.
 *
 * @param settings The manager's.
 * @param state What lies behind the session; it is brought up to date.
 * @param form Who asks, and the token.
 * @returns `true` for the one who may act on the form.
 * @throws What the store throws.
 */
export async function consumeFormToken(
  settings: ManagerSettings,
  state: SessionState,
  { claim, token }: { claim: Claim; token: string },
): Promise<boolean> {
  const { id } = claim;
  const { store, sealing } = settings;
  const marks = await loadMarks(store, [state.storedUser]);
  let isConsumed = false;
  let record: SessionRecord | undefined;
  let kept: SessionRecord | undefined;
  try {
    kept = await store.update(id, (stored) => {
      const admission = isSignedOut(id, stored, marks)
        ? undefined
        : admit(settings, stored, claim);
      const formTokens = admission?.record.formTokens ?? [];
      isConsumed = formTokens.includes(token);
      // Thrown, since whatever is returned would be written.
      if (!isConsumed) throw new SessionGoneError(id);
      const { secret, record: { formTokens: _formTokens, ...rest } } =
        admission!;
      const left = formTokens.filter((other) => other !== token);
      record = left.length === 0 ? rest : { ...rest, formTokens: left };
      return sealRecord(record, { id, secret }, sealing);
    });
  } catch (error) {
    if (!(error instanceof SessionGoneError)) throw error;
  }
  state.forgetFormToken(token, kept && record);
  return isConsumed && kept !== undefined;
}
