/*
 * Which of the cookies of a request is ours. Others may have the same name:
 * another application's, one that a neighbouring host has planted, or one of
 * ours from before Domain, Path or Partitioned changed.
 *
 *   no token        does not count
 *   one token       is the request's; no look at the store
 *   two to four     those that fit count, see `compareTokens`
 *   five or more    none of them; no look at the store
 */
import { hashSecret, parseToken, type Token } from "../core/token.ts";
import type { ManagerSettings } from "./manager_options.ts";
import { type Credentials, isBound, matchSecret } from "./rotation.ts";
import { isSignedOut, loadRevocations } from "./users.ts";

/** What the tokens of a request are to the sessions that the store has. */
interface Comparison {
  /** Those that fit, one for each session. */
  readonly fitting: readonly Credentials[];
  /** Whether none fits, and one is of a session that is bound to a device. */
  readonly isUnproven: boolean;
  /** Those whose secret was rotated away; none, if another one fits. */
  readonly reused: readonly Credentials[];
}

/** How many tokens a request may bring; browsers send a few at most. */
export const MOST_TOKENS = 4;

/**
 * Finds the tokens among what a client sent; the same one counts once.
 *
 * @param texts Any texts at all.
 */
export function findTokens(texts: readonly string[]): Token[] {
  const tokens: Token[] = [];
  // Most requests have one cookie and need no set.
  for (const text of texts.length > 1 ? new Set(texts) : texts) {
    const token = parseToken(text);
    if (token !== undefined) tokens.push(token);
  }
  return tokens;
}

/** Prepares a token for a look at the record. */
export function credentialsOf(token: Token): Credentials {
  return { ...token, secretHash: hashSecret(token.secret) };
}

/**
 * Compares several tokens with the records, and touches none.
 *
 * A token fits when its secret is its session's, or the one before while that is
 * good, and the session is not revoked; whether its data can be opened does not
 * matter. Of two that fit the same session the one with the newer secret counts.
 *
 * @param load Loads the revocation of a session's user, or throws what the caller
 * is to get.
 */
export async function compareTokens(
  { store, now }: ManagerSettings,
  tokens: readonly Token[],
  load: typeof loadRevocations = loadRevocations,
): Promise<Comparison> {
  const fitting: Credentials[] = [];
  const reused: Credentials[] = [];
  let isAnyBound = false;
  for (const [id, same] of Map.groupBy(tokens, ({ id }) => id)) {
    const record = await store.load(id);
    if (record === undefined) continue;
    const time = now();
    const credentials = same.map(credentialsOf);
    const find = (match: ReturnType<typeof matchSecret>) =>
      credentials.find(({ secretHash }) =>
        matchSecret(record, secretHash, time) === match
      );
    const fit = find("current") ?? find("previous");
    const old = find("reused") ?? find("unproven");
    isAnyBound ||= isBound(record);
    if (fit !== undefined) {
      const revocations = await load(store, record.user);
      if (!isSignedOut(id, record, revocations)) fitting.push(fit);
    } else if (old !== undefined) {
      reused.push(old);
    }
  }
  const isAny = fitting.length > 0;
  return {
    fitting,
    isUnproven: isAnyBound && !isAny,
    reused: isAny ? [] : reused,
  };
}
