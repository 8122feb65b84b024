/*
 * The state that the actors find, and the abstract world that judges them: one
 * session, and its surroundings.
 */
import type { SessionRecord } from "../../src/core/record.ts";
import { hashSecret } from "../../src/core/token.ts";
import { MINUTE, OTHER_ID, SECRET_HASH, USER } from "../constants.ts";
import { START } from "./stage.ts";

/** Stands for the hash of a secret that replaced it by rotation. */
export const ROTATED_HASH = "rotated";
/** Stands for the hash of any other secret. */
export const OTHER_HASH = "another";

/** How far one tick moves the clock. */
export const TICK = 1_000;
const IDLE_TIMEOUT = 10 * TICK;
/** How long a session without a lifetime may lie unused. */
export const MINUTES = 30;
/** The same in milliseconds. */
export const UNUSED_FOR: number = MINUTES * MINUTE;

/** The secret of the session beside it, where that is there from the start. */
export const OTHER_SECRET = "BBBBBBBBBBBBBBBBBBBBBB";
/** A session of another user. */
export const STRANGERS_ID = "89abcdef0123456789abcdef01234567";
/** Its secret. */
export const STRANGERS_SECRET = "CCCCCCCCCCCCCCCCCCCCCC";
/** A name with the same tag as the user's, see `core/codec.ts`. */
const STRANGER = "guymatuy";

/** How old an access must be to be marked again. */
export const TOUCH_AFTER: number = MINUTE;

/** What the actors find. */
export type Opening =
  | "live"
  | "missing"
  | "expired"
  | "ageing"
  | "unused"
  | Peopled;

/** Openings in which there are users. */
export type Peopled = "signed in" | "not signed in" | "in company";

/** Every opening, with what it is. */
export const OPENINGS: Record<Opening, string> = {
  live: "accessed just now",
  missing: "no file",
  expired: "accessed its idle timeout ago",
  ageing: "accessed one tick less than its idle timeout ago",
  unused: `no lifetime of its own, not accessed for ${MINUTES} minutes`,
  "signed in": "a user's only one, accessed just now",
  "not signed in":
    "without a user, accessed just now, and a user has another one",
  "in company": "a user's, which is one of two, and another user has one",
};

/** Tells whether an opening is about users. */
export function isPeopled(opening: Opening): opening is Peopled {
  return ["signed in", "not signed in", "in company"].includes(opening);
}

/** One abstract session. */
export interface Abstract {
  readonly list: readonly string[];
  readonly hash: string | undefined;
  readonly idleTimeout: number | undefined;
  readonly lastAccess: number;
  readonly user: string | undefined;
  /** Which revocation was the last before its user logged in, from 1; or 0. */
  readonly since: number;
}

/** The state beside the session. */
export interface Surroundings {
  /**
   * How often all sessions of the user were ended; as far as this one is
   * concerned, without those revocations that spared it.
   */
  readonly revocations: number;
  readonly revocationsOfIt: number;
  /** When the last of them was called, by the clock of its actor. */
  readonly revokedAt: number;
  /** The user's other sessions by name: each since which revocation. */
  readonly others: Readonly<Record<string, number>>;
}

/** The record that an opening begins with. */
export function firstRecord(opening: Opening): SessionRecord {
  const record = {
    data: { list: ["first"] },
    createdAt: START - UNUSED_FOR,
    secretHash: SECRET_HASH,
  };
  if (opening === "unused") return record;
  const { user } = openWorld(opening).session ?? {};
  const lasting = { ...record, idleTimeout: IDLE_TIMEOUT };
  return user === undefined ? lasting : { ...lasting, user };
}

/** The other files in the directory. */
export function recordsBeside(opening: Opening): [string, SessionRecord][] {
  if (!isPeopled(opening) || opening === "signed in") return [];
  const { idleTimeout: _idleTimeout, ...lasting } = firstRecord(opening);
  const other = {
    ...lasting,
    secretHash: hashSecret(OTHER_SECRET),
    user: USER,
  };
  if (opening === "not signed in") return [[OTHER_ID, other]];
  const secretHash = hashSecret(STRANGERS_SECRET);
  const strangers = { ...lasting, secretHash, user: STRANGER };
  return [[OTHER_ID, other], [STRANGERS_ID, strangers]];
}

/** The abstract session and its surroundings. */
export interface World extends Surroundings {
  readonly session: Abstract | undefined;
}

/** The world that an opening begins with. */
export function openWorld(opening: Opening): World {
  const age = {
    live: 0,
    missing: undefined,
    ageing: IDLE_TIMEOUT - TICK,
    expired: IDLE_TIMEOUT,
    unused: UNUSED_FOR,
    "signed in": 0,
    "not signed in": 0,
    "in company": 0,
  }[opening];
  const isSignedIn = isPeopled(opening) && opening !== "not signed in";
  const session = age === undefined ? undefined : {
    list: ["first"],
    hash: SECRET_HASH,
    idleTimeout: opening === "unused" ? undefined : IDLE_TIMEOUT,
    lastAccess: START - age,
    user: isSignedIn ? USER : undefined,
    since: 0,
  };
  const others: Record<string, number> =
    isPeopled(opening) && opening !== "signed in" ? { other: 0 } : {};
  return {
    session,
    revocations: 0,
    revocationsOfIt: 0,
    revokedAt: -Infinity,
    others,
  };
}

/** Whether a session is there and has not expired. */
export function isLive(
  state: Abstract | undefined,
  now: number,
): state is Abstract {
  return state !== undefined &&
    !(state.idleTimeout !== undefined &&
      now >= state.lastAccess + state.idleTimeout);
}

/** Whether the cleaner deletes a session. */
export function isDue(state: Abstract | undefined, now: number): boolean {
  if (state === undefined) return false;
  return state.idleTimeout === undefined
    ? now - state.lastAccess >= UNUSED_FOR
    : !isLive(state, now);
}

/** Whether one of this number of revocations ended a session. */
export function isRevoked(
  { user, since }: Abstract,
  revocationsOfIt: number,
): boolean {
  return user !== undefined && since < revocationsOfIt;
}

/** The record that an actor saves. */
export function ownRecord(actor: string, opening: Opening): SessionRecord {
  return { ...firstRecord(opening), data: { list: [actor] } };
}
