/*
 * Ending all sessions of a user must not rest on finding them: a listing can
 * miss one that is saved at the same time. So each revocation begins a new
 * generation of that user's sessions, in a record that belongs to the user:
 *
 *   user-<SHA-256 of the user, 56 hex>   data   generation   the newest
 *                                               except       id, generation
 *                                               by, turn, at which process,
 *                                                            its how many-th, when
 *
 * A session keeps the generation in which its user signed in, 0 if there was no
 * such record, and is revoked when a newer one begins. The session that a
 * revocation spares is measured by the generation that counted for it before: a
 * session that was revoked stays so, whichever is spared later.
 *
 * A generation is a number above the one before; the first is the time, so that
 * it is also above those of a record that has expired. Generations are never
 * compared with a clock: neither a clock that jumps nor a sign-in in the same
 * millisecond can keep a session or end one.
 *
 * A login belongs to the generation of the time when its request was opened: the
 * password may have been checked against the old one. Which generation that was
 * is known where the request, or one before it, has loaded it. Elsewhere a login
 * is refused when the revocation is later than the opening: by the count of the
 * process that both happened in, which is exact; or else by the clocks, which may
 * differ by SLACK. A revocation from the far future is one of a wrong clock.
 *
 * `data` is made anew by each revocation, in an older version too: what belongs to
 * one revocation, such as the session that it spares, does not outlive it. What a
 * later version adds beside `data` is kept, so what only restricts belongs there.
 *
 * The record lives 400 days, which is how long browsers keep a cookie at most
 * (draft-ietf-httpbis-rfc6265bis, section 5.5).
 */
import { createHash } from "node:crypto";
import { type SessionRecord, unknownMembers } from "./record.ts";
import { createSessionId, isSessionId } from "./token.ts";

/** What a user's revocation says. */
export interface Revocation {
  /** Which generation of the user's sessions is the newest. */
  readonly generation: number;
  /** The one session that is measured by another generation. */
  readonly except?: { readonly id: string; readonly generation: number };
  /** Which process has begun it, by a random ID. */
  readonly by?: string;
  /** How many revocations that process had begun, this one included. */
  readonly turn?: number;
  /** When it began, in ms since the epoch. */
  readonly at?: number;
}

/** An instant, as a process that revokes tells it. */
export interface RevocationMoment {
  /** How many revocations this process has begun. */
  readonly turn: number;
  /** In ms since the epoch. */
  readonly at: number;
}

const REVOCATION_ID = /^user-[0-9a-f]{56}$/;
const HASH_LENGTH = 56;
const MOST_NAMED = 10_000;
const LONGEST_NAMED = 256;
const SLACK = 1_000;
const WRONG_CLOCK = 60_000;
const KEPT_FOR = 400 * 24 * 60 * 60 * 1000;

/** What a process, or a worker, keeps of the revocations that it has begun. */
export interface RevokingProcess {
  /** Tells it from others; drawn when it is first needed. */
  id: string | undefined;
  /** How many it has begun, of any user, in any store. */
  turns: number;
}

/** This process; a test may stand for several. */
export const thisProcess: RevokingProcess = { id: undefined, turns: 0 };

/** Tells how many revocations this process has begun. */
export function currentTurn(): number {
  return thisProcess.turns;
}

/** Counts a revocation that this process begins. */
export function takeTurn(): number {
  thisProcess.id ??= createSessionId();
  return ++thisProcess.turns;
}

/** What was named last: each signed-in request asks for the same name again. */
const named = new Map<string, string>();

/**
 * Names the record of a user's revocation. No session has such an ID, since the ID
 * in a token is hexadecimal.
 *
 * @param user Any text.
 */
export function revocationId(user: string): string {
  // As JSON, which tells halves of surrogate pairs apart; UTF-8 does not. It is also
  // a text of its own: part of a longer one would keep that in memory.
  const text = JSON.stringify(user);
  let id = named.get(text);
  if (id === undefined) {
    const hash = createHash("sha256").update(text).digest("hex");
    id = `user-${hash.slice(0, HASH_LENGTH)}`;
    // Before a login it is a name from a form, of any length.
    if (text.length <= LONGEST_NAMED) {
      if (named.size >= MOST_NAMED) named.clear();
      named.set(text, id);
    }
  }
  return id;
}

/** Tells whether an ID is one that {@linkcode revocationId} makes. */
export function isRevocationId(id: unknown): boolean {
  return typeof id === "string" && REVOCATION_ID.test(id);
}

/**
 * Reads a revocation.
 *
 * @param record What the store has under the revocation's ID, if anything.
 */
export function readRevocation(
  record: SessionRecord | undefined,
): Revocation | undefined {
  return record?.data as unknown as Revocation | undefined;
}

/**
 * Begins a new generation of a user's sessions.
 *
 * @param before The record of the revocation so far, if there is one.
 * @param moment When it was asked for: any password that is checked later is the
 * new one.
 * @param except The ID of the session to spare; any other text spares none.
 * @returns The record of the new revocation.
 */
export function renewRevocation(
  before: SessionRecord | undefined,
  { turn, at: now }: RevocationMoment,
  except: string | undefined,
): SessionRecord {
  const revocation = readRevocation(before);
  const generation = Math.max(now, (revocation?.generation ?? 0) + 1);
  const spared = isSessionId(except) &&
    { except: { id: except, generation: generationFor(except, revocation) } };
  // One that was asked for earlier may be written later.
  const { by, turn: turnBefore = 0, at: atBefore = 0 } = revocation ?? {};
  const isOwn = by === thisProcess.id;
  const isPlausible = atBefore <= now + WRONG_CLOCK;
  // What is noted is the process of the later one.
  const isBeforeLater = by !== undefined && !isOwn && isPlausible &&
    atBefore > now;
  return {
    ...before && unknownMembers(before),
    data: {
      generation,
      ...spared,
      by: isBeforeLater ? by : thisProcess.id!,
      turn: isBeforeLater
        ? turnBefore
        : isOwn
        ? Math.max(turn, turnBefore)
        : turn,
      at: isPlausible ? Math.max(now, atBefore) : now,
    },
    createdAt: now,
    expiresAt: generation + KEPT_FOR,
  };
}

/**
 * Tells whether a revocation was begun after a request was opened.
 *
 * @param revocation The revocation.
 * @param opening When the request was opened.
 * @param now In ms since the epoch.
 */
export function isLater(
  { by, turn = 0, at = 0 }: Revocation,
  opening: RevocationMoment,
  now: number,
): boolean {
  if (by !== undefined && by === thisProcess.id) return turn > opening.turn;
  return at > opening.at - SLACK && at <= now + WRONG_CLOCK;
}

/**
 * Tells whether a session was ended by a revocation.
 *
 * @param id The session ID.
 * @param record Its record.
 * @param revocation That of its user, if there is one.
 */
export function isRevoked(
  id: string,
  record: Pick<SessionRecord, "user" | "userGeneration">,
  revocation: Revocation | undefined,
): boolean {
  const { user, userGeneration = 0 } = record;
  return user !== undefined && userGeneration < generationFor(id, revocation);
}

/** Tells which generation a session must at least be of. */
function generationFor(id: string, revocation: Revocation | undefined): number {
  const { generation = 0, except } = revocation ?? {};
  return except?.id === id ? except.generation : generation;
}
