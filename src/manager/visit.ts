import { SessionRevokedError } from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import {
  currentTurn,
  isLater,
  isRevoked,
  type RevocationMoment,
} from "../core/revocation.ts";
import { KEEP } from "../core/store.ts";
import { makeOffer } from "../device/headers.ts";
import type { Header, SessionRequest } from "../http/transport.ts";
import { cookieAge, isTouchDue } from "../session/lifetime.ts";
import { Session, stateOf } from "../session/session.ts";
import type {
  SessionChange,
  SessionState,
  StoredSession,
} from "../session/session_state.ts";
import type { Isolation, Opening, Unopened } from "./isolation.ts";
import type { ManagerSettings } from "./manager_options.ts";
import {
  type Credentials,
  isOpening,
  matchSecret,
  type Verified,
  verify,
} from "./rotation.ts";
import {
  isSignedOut,
  loadGeneration,
  loadRevocations,
  readable,
  type Revocations,
} from "./users.ts";

/** A session that the credentials of a request have opened, and what is due. */
export interface OpenedSession extends StoredSession {
  /** The session's, which are newer than the request's after a rotation. */
  readonly credentials: Credentials;
  /** The newest generation of its user's sessions. */
  readonly generation: number | undefined;
  /** Whether the browser does not have this secret yet. */
  readonly isHandedOn: boolean;
  /** The hash of the secret that the browser has. */
  readonly broughtHash: string;
  /** Whether it is to be sealed anew, or a step of the rotation is due. */
  readonly isUpkeepDue: boolean;
}

/** Whether a request may write to a record; if so, the record in clear. */
type Access = "refused" | "revoked" | Verified;

/**
 * One request and its session, from the opening to the close: what it knows of the
 * session, and what it does to the store at once. What opens it is in open.ts,
 * what keeps the rest of what it did in commit.ts.
 */
export class Visit {
  readonly session: Session;
  /** What came of the opening. */
  readonly opening: Opening;
  readonly state: SessionState;
  readonly settings: ManagerSettings;
  readonly request: SessionRequest;
  readonly isolation: Isolation;
  /** Whether it does no more than it is asked to, so far. */
  isPassive: boolean;
  /** The session and its secret as they are now; missing for a new session. */
  credentials: Credentials | undefined;
  /** Whether the browser does not have the secret yet. */
  isHandedOn: boolean;
  isUpkeepDue: boolean;
  /** The hash of the secret that the browser had at the opening. */
  readonly broughtHash: string | undefined;
  /** Of sessions that the request brought and did not get. */
  others: readonly Credentials[];
  /** What offers to the browser to register a key, with the next cookie. */
  #offer: Header | undefined;
  readonly #opening: RevocationMoment;
  /** The user who was signed in then, and the generation that was the newest. */
  readonly #openedUser: string | undefined;
  readonly #openedGeneration: number | undefined;
  /** The generations that this request itself began and joined, by user. */
  #joined: Map<string, number> | undefined;

  constructor(
    settings: ManagerSettings,
    request: SessionRequest,
    isolation: Isolation,
    isPassive: boolean,
    found: OpenedSession | Unopened,
    others: readonly Credentials[],
  ) {
    const { now, types } = settings;
    const isOpened = typeof found !== "string";
    const opened = isOpened ? found : undefined;
    this.opening = isOpened ? "hit" : found;
    this.session = new Session({ stored: opened, now, types });
    this.state = stateOf(this.session);
    this.state.isReadOnly = isolation.isReadOnly;
    this.settings = settings;
    this.request = request;
    this.isolation = isolation;
    this.isPassive = isPassive;
    this.credentials = opened?.credentials;
    this.isHandedOn = opened?.isHandedOn ?? false;
    this.isUpkeepDue = opened?.isUpkeepDue ?? false;
    this.broughtHash = opened?.broughtHash;
    this.others = others;
    isolation.noteOpened(this.opening, opened?.record);
    this.state.owner = this;
    this.#opening = { turn: currentTurn(), at: now() };
    this.#openedUser = opened?.record.user;
    this.#openedGeneration = opened?.generation;
  }

  /**
   * Finds the visit of a session.
   *
   * @throws {TypeError} If no manager opened the session, or another one.
   */
  static of<Data extends object>(
    session: Session<Data>,
    settings: ManagerSettings,
  ): Visit {
    const { owner } = stateOf(session);
    if (owner instanceof Visit && owner.settings === settings) return owner;
    throw new TypeError(
      "Cannot commit the session: this manager did not open it",
    );
  }

  /** The request header that the response depends on, if it does. */
  get vary(): string | undefined {
    return this.state.isUsed ? this.settings.transport.vary : undefined;
  }

  /**
   * Uses up a form token, in one step of the store.
   *
   * @returns `true` for the one request that may act on the form.
   * @throws As `consumeFormToken` of the manager.
   */
  async consumeFormToken(token: string): Promise<boolean> {
    const { store, recordFormat, now } = this.settings;
    const credentials = this.credentials;
    const isolation = this.isolation;
    const { formTokens } = this.state.use();
    if (!formTokens.has(token)) return false;
    if (credentials === undefined || formTokens.isAdded(token)) {
      return this.state.write().formTokens.remove(token);
    }
    const { id } = credentials;
    const { storedUser } = this.state;
    const revocations = await loadRevocations(store, storedUser);
    let record: SessionRecord | undefined;
    let touchedAt = 0;
    const change = (found: SessionRecord) => {
      record = undefined;
      const access = this.verifyWriter(found, credentials, revocations);
      if (typeof access === "string") return KEEP;
      const { formTokens: tokens = [] } = access.record;
      if (!tokens.includes(token)) return KEEP;
      const counted = isolation.countCommit(id, access.record, true);
      touchedAt = now();
      const { formTokens: _formTokens, ...rest } = counted;
      const left = tokens.filter((other) => other !== token);
      record = left.length === 0 ? rest : { ...rest, formTokens: left };
      return recordFormat.seal(record, { id, secret: access.secret });
    };
    let stored: SessionRecord | null | undefined;
    try {
      stored = await store.update(id, change);
    } catch (error) {
      isolation.countFailure(error);
      throw error;
    }
    const kept = stored ? record : undefined;
    // The request has not seen what else is new in the record.
    if (kept !== undefined) {
      isolation.noteCommitted(kept, false);
      this.isPassive = false;
      this.state.noteTouch(touchedAt);
    }
    this.state.forgetFormToken(token);
    return kept !== undefined;
  }

  /** Notes to which generation a login of the user belongs, here or later. */
  async beginLogin(user: string): Promise<void> {
    this.state.write();
    const generation = await loadGeneration(this.settings.store, user);
    this.state.write().beginLogin(user, generation);
  }

  /** Lets a login of the user belong to a generation that this request began. */
  joinGeneration(user: string, generation: number): void {
    this.#joined ??= new Map();
    this.#joined.set(user, generation);
  }

  /**
   * Marks the session accessed, also after the request is over.
   *
   * @returns Whether the session goes on.
   */
  async keepAlive(): Promise<boolean> {
    const { store, touchAfter, counters, now } = this.settings;
    const credentials = this.credentials;
    const { stored, storedUser, isNew } = this.state;
    if (credentials === undefined || stored === undefined || isNew) {
      return false;
    }
    const { id } = credentials;
    const revocations = await loadRevocations(store, storedUser);
    // No secret is compared: this request's may have been rotated away.
    const goesOn = (record: SessionRecord) =>
      record.renewals === stored.renewals &&
      !isSignedOut(id, record, revocations);
    let touchedAt: number | undefined;
    const found = await store.load(id, {
      touch(record, lastAccess) {
        const time = now();
        const isTouched = goesOn(record) &&
          isTouchDue(touchAfter, record, lastAccess, time);
        touchedAt = isTouched ? time : undefined;
        return isTouched;
      },
    });
    if (found === undefined || !goesOn(found)) return false;
    if (touchedAt === undefined) return true;
    counters.touches++;
    this.state.noteTouch(touchedAt);
    return true;
  }

  /**
   * Ends the sessions that the request did not get: the browser brought their
   * secrets, and would bring them again. One that was not found may be elsewhere,
   * on a volume that went; then this throws what the store does.
   *
   * @returns Whether there was one.
   */
  async endOthers(): Promise<boolean> {
    const { store, now } = this.settings;
    let isEnded = false;
    for (const { id, secretHash } of this.others) {
      const kept = await store.update(id, (found) => {
        // A login may have replaced the secret meanwhile.
        const isOpen = isOpening(matchSecret(found, secretHash, now()));
        return isOpen ? undefined : KEEP;
      });
      isEnded ||= kept === null;
    }
    this.others = [];
    return isEnded;
  }

  /** Lets the next exclusive request have the session. */
  leave(): PromiseLike<void> | undefined {
    return this.isolation.leave();
  }

  /** Ends the request: what it writes from here on throws. */
  close(): PromiseLike<void> | undefined {
    this.state.close();
    return this.leave();
  }

  /**
   * Tells to which generation of the user's sessions the login belongs.
   *
   * @param change What the request did.
   * @param revocations With that of the user who logs in.
   * @param id The session that is to be the user's.
   * @throws {SessionRevokedError} If that generation has ended.
   * @throws {SessionUnreadableError} If that cannot be told.
   */
  generationOf(
    { login: user, loginGeneration }: SessionChange,
    revocations: Revocations,
    id: string,
  ): number | undefined {
    if (user === undefined) return undefined;
    const revocation = readable(revocations.get(user), user);
    const isOpened = user === this.#openedUser;
    const generation = this.#joined?.get(user) ?? loginGeneration ??
      (isOpened ? this.#openedGeneration : undefined);
    const isEnded = generation === undefined
      ? revocation !== undefined &&
        isLater(revocation, this.#opening, this.settings.now())
      : isRevoked(id, { user, userGeneration: generation }, revocation);
    if (isEnded) throw new SessionRevokedError(id);
    // The first is not noted.
    return (generation ?? revocation?.generation) || undefined;
  }

  /** Goes on from what was kept. */
  finish(
    kept: Omit<StoredSession, "lastAccess"> | undefined,
    credentials: Credentials | undefined,
  ): void {
    this.credentials = credentials;
    this.isHandedOn = false;
    this.isUpkeepDue = false;
    this.state.finish(kept);
  }

  /** The offer to register a key that goes with the token, once. */
  takeOffer(): Header | undefined {
    const offer = this.#offer;
    this.#offer = undefined;
    return offer;
  }

  /** Decides whether the request may write to the record as it is now. */
  verifyWriter(
    record: SessionRecord,
    credentials: Credentials,
    revocations: Revocations,
  ): Access {
    const verified = verify(this.settings, record, credentials);
    if (verified === undefined) return "refused";
    const isRevoked = isSignedOut(credentials.id, record, revocations);
    return isRevoked ? "revoked" : verified;
  }

  /**
   * Makes the header that gives the client its token.
   *
   * @param record The record, as it was kept.
   * @param offerSecret The secret of the offer to register a key, if there is one.
   */
  issue(record: SessionRecord, offerSecret?: string): Header {
    const { transport, rotateGrace, now } = this.settings;
    const { id, secret } = this.credentials!;
    if (record.deviceOffer !== undefined && offerSecret !== undefined) {
      const { algorithms, path } = this.settings.device!;
      this.#offer = makeOffer(algorithms, path, id + offerSecret);
    }
    const { device } = record;
    // Nothing but a proof prolongs the cookie of a bound session.
    const maxAge = device === undefined
      ? cookieAge(record, now())
      : device.until - rotateGrace - now();
    return transport.issue(this.request, id + secret, maxAge);
  }
}
