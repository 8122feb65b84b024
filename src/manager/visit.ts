import {
  SessionConflictError,
  SessionGoneError,
  SessionRevokedError,
} from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import {
  currentTurn,
  isLater,
  isRevoked,
  type RevocationMoment,
} from "../core/revocation.ts";
import { KEEP } from "../core/store.ts";
import { createSecret, createSessionId, hashSecret } from "../core/token.ts";
import type { Header, SessionRequest } from "../http/transport.ts";
import {
  changeLifetime,
  cookieAge,
  isCookieStale,
  isTouchDue,
  noteCookie,
} from "../session/lifetime.ts";
import { Session, stateOf } from "../session/session.ts";
import {
  isEmptyRecord,
  type SessionChange,
  type SessionContent,
  type SessionState,
  type StoredSession,
} from "../session/session_state.ts";
import type { Isolation } from "./isolation.ts";
import type { ManagerSettings } from "./manager_options.ts";
import {
  confirmRotation,
  type Credentials,
  dueRotation,
  forgetRotation,
  isOpening,
  matchSecret,
  replaceSecret,
  rotateSecret,
  type Verified,
  verify,
} from "./rotation.ts";
import {
  isSignedOut,
  loadGeneration,
  loadRevocations,
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

/** A new session, checked, as the request goes on with it and as it is stored. */
interface NewSession {
  readonly credentials: Credentials;
  readonly record: SessionRecord;
  readonly stored: SessionRecord;
}

/** What a commit does to a record beside what the request did to it. */
interface Upkeep {
  /** The secret of a rotation: one, however often the store calls. */
  newSecret?: string;
  /** Whether it made the record that the store was to keep any larger. */
  isIn: boolean;
  /** Whether the store has failed with it. */
  isFailed: boolean;
}

/** Whether a request may write to a record; if so, the record in clear. */
type Access = "refused" | "revoked" | Verified;

/**
 * One request and its session, from the opening to the close. What opens it is in
 * open.ts; between `commit` and the store there is nothing else.
 */
export class Visit<Data extends object> {
  readonly session: Session<Data>;
  readonly #state: SessionState;
  readonly #settings: ManagerSettings;
  readonly #request: SessionRequest;
  readonly #isolation: Isolation;
  /** Whether it does no more than it is asked to, so far. */
  #isPassive: boolean;
  /** The session and its secret as they are now; missing for a new session. */
  #credentials: Credentials | undefined;
  /** Whether the browser does not have the secret yet. */
  #isHandedOn: boolean;
  #isUpkeepDue: boolean;
  /** Whether the commit under way can send the browser anything. */
  #canSend = true;
  readonly #broughtHash: string | undefined;
  readonly #opening: RevocationMoment;
  /** The user who was signed in then, and the generation that was the newest. */
  readonly #openedUser: string | undefined;
  readonly #openedGeneration: number | undefined;
  /** The generations that this request itself began and joined, by user. */
  #joined: Map<string, number> | undefined;
  /** Of sessions that the request did not get, although the secrets are good. */
  #others: readonly Credentials[];

  constructor(
    settings: ManagerSettings,
    request: SessionRequest,
    isolation: Isolation,
    isPassive: boolean,
    opened: OpenedSession | undefined,
    others: readonly Credentials[] = [],
  ) {
    const { now, types } = settings;
    this.session = new Session<Data>({ stored: opened, now, types });
    this.#state = stateOf(this.session);
    this.#state.isReadOnly = isolation.isReadOnly;
    this.#settings = settings;
    this.#request = request;
    this.#isolation = isolation;
    this.#isPassive = isPassive;
    this.#credentials = opened?.credentials;
    this.#isHandedOn = opened?.isHandedOn ?? false;
    this.#isUpkeepDue = opened?.isUpkeepDue ?? false;
    this.#broughtHash = opened?.broughtHash;
    this.#others = others;
    isolation.see(opened?.record);
    this.#state.owner = this;
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
  ): Visit<Data> {
    const { owner } = stateOf(session);
    if (owner instanceof Visit && owner.#settings === settings) return owner;
    throw new TypeError(
      "Cannot commit the session: this manager did not open it",
    );
  }

  get request(): SessionRequest {
    return this.#request;
  }

  /** The request header that the response depends on, if it does. */
  get vary(): string | undefined {
    return this.#state.isUsed ? this.#settings.transport.vary : undefined;
  }

  /**
   * Commits what the request did, if anything is to be kept or sent.
   *
   * @param canSend Whether the client can be sent anything.
   * @returns What issues the client's token or revokes it; `undefined` when the
   * client needs neither.
   * @throws As `commit` of the manager.
   */
  async commit(canSend = true): Promise<Header | undefined> {
    this.#canSend = canSend;
    const { isUsed, isLogout, login } = this.#state;
    const isForced = canSend && isUsed && this.#isUpkeepDue &&
      !this.#isolation.isReadOnly && !this.#isPassive;
    const isEnding = this.#others.length > 0 &&
      (isLogout || login !== undefined);
    const change = this.#state.begin(isForced || isEnding);
    if (change === undefined) {
      // An image that never looked at the session stays public.
      const isDue = canSend && isUsed && !this.#isPassive &&
        this.#credentials !== undefined &&
        this.#isCookieDue(this.#state.stored!);
      return isDue ? await this.#renew(this.#credentials!) : undefined;
    }
    this.#isPassive = false;
    const { store } = this.#settings;
    const credentials = this.#credentials;
    try {
      if (change.isRegenerated) this.#checkCanSend();
      const { storedUser } = this.#state;
      const revocations = await loadRevocations(
        store,
        storedUser,
        change.login,
      );
      if (credentials === undefined) {
        const { id, createdAt } = this.#state;
        const begun = this.#begin(change, revocations, id, createdAt);
        const isEnded = isEnding && await this.#endOthers();
        if (begun !== undefined) return await this.#create(begun);
        return isEnded ? this.#forget() : undefined;
      }
      const header = change.isEnded
        ? await this.#replace(change, revocations, credentials)
        : await this.#update(change, revocations, credentials);
      // After an earlier commit of the same request.
      if (isEnding) await this.#endOthers();
      return header;
    } catch (error) {
      if (!change.isChanged && !isEnding) {
        return this.#skipUpkeep(error, credentials!);
      }
      this.#isolation.countFailure(error);
      throw error;
    } finally {
      this.#state.unlock();
    }
  }

  /** Refuses what would leave the browser without its cookie. */
  #checkCanSend(): void {
    if (this.#canSend) return;
    throw new TypeError(
      "Cannot commit the session: its new cookie needs headers to go into",
    );
  }

  /** Goes on when a step of the rotation failed that was all there was to do. */
  #skipUpkeep(error: unknown, { id: sessionId }: Credentials): undefined {
    if (error instanceof SessionGoneError) return;
    this.#settings.report({ type: "unrotated", sessionId });
  }

  /** Commits; a refusal is reported and not thrown. */
  async commitOrReport(): Promise<Header | undefined> {
    try {
      return await this.commit();
    } catch (error) {
      if (!(error instanceof SessionGoneError)) throw error;
      // The answer says that the user is signed in.
      if (this.#state.login !== undefined) throw error;
      const { sessionId } = error;
      this.#settings.report({ type: "refused", sessionId, error });
      return undefined;
    }
  }

  /** Whether the browser needs the cookie of a record again. */
  #isCookieDue(record: SessionRecord): boolean {
    return this.#isHandedOn || isCookieStale(record, this.#settings.now());
  }

  /**
   * Sends the cookie again, if it is still the session's: another request may
   * have given the browser a newer one. This is no commit, and fails no request.
   */
  async #renew(credentials: Credentials): Promise<Header | undefined> {
    const { store, data, now } = this.#settings;
    const { id } = credentials;
    let record: SessionRecord | undefined;
    let secret = credentials.secret;
    let touchedAt: number | undefined;
    try {
      const revocations = await loadRevocations(store, this.#state.storedUser);
      const stored = await store.update(id, (found) => {
        record = touchedAt = undefined;
        const access = this.#verifyWriter(found, credentials, revocations);
        if (typeof access === "string") return KEEP;
        ({ secret } = access);
        const isDue = secret !== credentials.secret ||
          this.#isCookieDue(access.record);
        if (!isDue) return KEEP;
        const time = now();
        record = noteCookie(access.record, time);
        if (record === access.record) return KEEP;
        touchedAt = time;
        return data.seal(record, { id, secret });
      });
      if (!stored || record === undefined) return undefined;
    } catch {
      // Any error of the store. The request has its answer without the cookie,
      // which a later request sends.
      return undefined;
    }
    this.#credentials = { id, secret, secretHash: record.secretHash! };
    this.#isHandedOn = false;
    if (touchedAt !== undefined) this.#state.noteTouch(touchedAt);
    return this.#issue(record);
  }

  /**
   * Makes a new session of what the request did, and checks it.
   *
   * @returns `undefined` when it holds nothing.
   */
  #begin(
    change: SessionChange,
    revocations: Revocations,
    id: string,
    createdAt: number,
    content: SessionContent = { data: {} },
  ): NewSession | undefined {
    const { data, lifetime, now } = this.#settings;
    const begin = changeLifetime(lifetime, createdAt);
    const begun = change.apply(
      begin({ ...content, createdAt }),
      this.#generationOf(change, revocations, id),
    );
    if (isEmptyRecord(begun)) return undefined;
    this.#checkCanSend();
    const secret = createSecret();
    const secretHash = hashSecret(secret);
    const credentials = { id, secret, secretHash };
    const record = noteCookie({ ...begun, secretHash }, now());
    return { credentials, record, stored: data.write(credentials, record) };
  }

  async #create(begun: NewSession): Promise<Header> {
    const { credentials, record, stored } = begun;
    const { id } = credentials;
    const touchedAt = this.#settings.now();
    if (!await this.#settings.store.create(id, stored)) {
      throw new Error(`Cannot create session ${id}: its ID is taken`);
    }
    this.#isolation.begin(record);
    this.#finish({ id, record, touchedAt }, credentials);
    return this.#issue(record);
  }

  /**
   * Ends the stored session, and creates the one that the request went on with.
   * In this order: a logout succeeds where nothing can be written.
   */
  async #replace(
    change: SessionChange,
    revocations: Revocations,
    { id, secretHash }: Credentials,
  ): Promise<Header | undefined> {
    const { store, now } = this.#settings;
    const isolation = this.#isolation;
    const { id: newId, createdAt, storedUser } = this.#state;
    // What cannot be kept is refused before anything ends.
    const begun = this.#begin(change, revocations, newId, createdAt);
    let ending: "ended" | "revoked" | "refused" | undefined;
    const kept = await store.update(id, (found) => {
      // To delete a record takes no key, so it is not unsealed.
      const isOpen = isOpening(matchSecret(found, secretHash, now()));
      const isUsers = storedUser !== undefined && found.user === storedUser;
      ending = "refused";
      if (!isOpen && !isUsers) return KEEP;
      if (isOpen) isolation.advance(id, found, true);
      ending = isSignedOut(id, found, revocations) ? "revoked" : "ended";
      return undefined;
    });
    const isGone = kept === undefined;
    if (!isGone && ending === "refused" && change.login === undefined) {
      throw new SessionGoneError(id);
    }
    if (begun !== undefined) return await this.#create(begun);
    // A session that was found gone clears no cookie: that could be the new
    // one which a parallel request has just been given.
    if (!isGone && ending === "ended") return this.#forget();
    this.#finish(undefined, undefined);
    return undefined;
  }

  /**
   * Ends the sessions that the request did not get: the browser brought their
   * secrets, and would bring them again.
   *
   * @returns Whether there was one.
   */
  async #endOthers(): Promise<boolean> {
    const { store, now } = this.#settings;
    let isEnded = false;
    for (const { id, secretHash } of this.#others) {
      const kept = await store.update(id, (found) => {
        // A login may have replaced the secret meanwhile.
        const isOpen = isOpening(matchSecret(found, secretHash, now()));
        return isOpen ? undefined : KEEP;
      });
      isEnded ||= kept === null;
    }
    this.#others = [];
    return isEnded;
  }

  /** Goes on with a new session, and makes the client forget its token. */
  #forget(): Header {
    this.#isolation.begin(undefined);
    this.#finish(undefined, undefined);
    return this.#settings.transport.revoke(this.#request);
  }

  /** Does to the stored session what the request did; its upkeep cannot fail it. */
  async #update(
    change: SessionChange,
    revocations: Revocations,
    credentials: Credentials,
  ): Promise<Header | undefined> {
    const upkeep: Upkeep = { isIn: false, isFailed: false };
    try {
      return await this.#apply(change, revocations, credentials, upkeep);
    } catch (error) {
      const isRefused = error instanceof SessionGoneError ||
        error instanceof SessionConflictError;
      if (isRefused || !upkeep.isIn || !change.isChanged) throw error;
    }
    upkeep.isFailed = true;
    const header = await this.#apply(change, revocations, credentials, upkeep);
    const { id: sessionId } = credentials;
    this.#settings.report({ type: "unrotated", sessionId });
    return header;
  }

  async #apply(
    change: SessionChange,
    revocations: Revocations,
    credentials: Credentials,
    upkeep: Upkeep,
  ): Promise<Header | undefined> {
    const { store, data, now } = this.#settings;
    const { id } = credentials;
    const { isChanged, isRegenerated, isLifetimeChanged, login } = change;
    const isolation = this.#isolation;
    const generation = this.#generationOf(change, revocations, id);
    // One secret, however often the store calls.
    let newSecret: string | undefined;
    let access: Access | undefined;
    let secret = credentials.secret;
    let isCookieDue = false;
    let touchedAt = 0;
    let wasSealOld = false;
    let record: SessionRecord | undefined;
    const stored = await store.update(id, (found) => {
      access = this.#verifyWriter(found, credentials, revocations);
      if (access === "refused") return KEEP;
      if (access === "revoked") return undefined;
      const { record: opened, isSealOld } = access;
      wasSealOld = isSealOld;
      touchedAt = now();
      if (upkeep.isFailed && isSecret(found, upkeep.newSecret)) {
        // The store has kept it all, and failed afterwards.
        secret = upkeep.newSecret!;
        isCookieDue = true;
        record = data.read(id, opened);
        return KEEP;
      }
      const counted = isolation.advance(id, opened, isChanged);
      const changed = change.apply(
        data.read(id, counted),
        generation,
      );

      const time = now();
      let next = changed;
      secret = access.secret;
      if (isRegenerated) {
        secret = newSecret ??= createSecret();
        next = replaceSecret(changed, secret);
        const { rotateEvery } = this.#settings;
        if (rotateEvery !== Infinity) next = { ...next, rotatedAt: time };
      } else if (this.#canSend && !upkeep.isFailed) {
        next = this.#keepUp(changed, credentials, upkeep, time);
        if (next.secretHash !== changed.secretHash) secret = upkeep.newSecret!;
      }
      isCookieDue = isLifetimeChanged || secret !== credentials.secret ||
        this.#isCookieDue(changed);
      const isSent = isCookieDue && this.#canSend;
      record = isSent ? noteCookie(next, time) : next;
      return data.write({ id, secret }, record, opened);
    });

    if (stored === undefined || typeof access === "string") {
      const { storedUser, storedContent } = this.#state;
      const isFound = stored !== undefined;
      const isLogin = login !== undefined && access !== "revoked" &&
        (isFound || storedUser === undefined);
      if (!isLogin) throw new SessionGoneError(id);
      // Nothing that was written to the record since goes in.
      const content = isFound ? storedContent : undefined;
      const begun = this.#begin(
        change,
        revocations,
        createSessionId(),
        now(),
        content,
      )!;
      return await this.#create(begun);
    }
    const kept = record!;
    isolation.settle(kept, true);
    if (wasSealOld) this.#settings.counters.resealed++;
    const secretHash = kept.secretHash!;
    const isUpkeepDue = this.#isUpkeepDue;
    const isHandedOn = this.#isHandedOn || secret !== credentials.secret;
    this.#finish({ id, record: kept, touchedAt }, { id, secret, secretHash });
    if (this.#canSend) return isCookieDue ? this.#issue(kept) : undefined;
    // A later commit can send it.
    this.#isUpkeepDue = isUpkeepDue;
    this.#isHandedOn = isHandedOn;
    return undefined;
  }

  /** Does the step that is due in the rotation of a record's secret. */
  #keepUp(
    record: SessionRecord,
    credentials: Credentials,
    upkeep: Upkeep,
    time: number,
  ): SessionRecord {
    const { rotateEvery, rotateGrace, secrets } = this.#settings;
    // A request with the secret before has been handed this one, but the
    // browser may not have it.
    const isBrought = this.#broughtHash === record.secretHash;
    const due = isBrought ? dueRotation(record, rotateEvery, time) : undefined;
    upkeep.isIn = due === "rotate" || due === "confirm";
    switch (due) {
      case "rotate":
        upkeep.newSecret ??= createSecret();
        return rotateSecret(
          record,
          credentials,
          upkeep.newSecret,
          secrets[0]!,
          time,
        );
      case "confirm":
        return confirmRotation(record, time, rotateGrace);
      case "forget":
        return forgetRotation(record);
      case undefined:
        return record;
    }
  }

  /** Goes on from what was kept. */
  #finish(
    kept: Omit<StoredSession, "lastAccess"> | undefined,
    credentials: Credentials | undefined,
  ): void {
    this.#credentials = credentials;
    this.#isHandedOn = false;
    this.#isUpkeepDue = false;
    this.#state.finish(kept);
  }

  /**
   * Uses up a form token, in one step of the store.
   *
   * @returns `true` for the one request that may act on the form.
   * @throws As `consumeFormToken` of the manager.
   */
  async consumeFormToken(token: string): Promise<boolean> {
    const { store, data, now } = this.#settings;
    const credentials = this.#credentials;
    const isolation = this.#isolation;
    const { formTokens } = this.#state.use();
    if (!formTokens.has(token)) return false;
    if (credentials === undefined || formTokens.isAdded(token)) {
      return this.#state.write().formTokens.remove(token);
    }
    const { id } = credentials;
    const { storedUser } = this.#state;
    const revocations = await loadRevocations(store, storedUser);
    let record: SessionRecord | undefined;
    let touchedAt = 0;
    const change = (found: SessionRecord) => {
      record = undefined;
      const access = this.#verifyWriter(found, credentials, revocations);
      if (typeof access === "string") return KEEP;
      const { formTokens: tokens = [] } = access.record;
      if (!tokens.includes(token)) return KEEP;
      const counted = isolation.advance(id, access.record, true);
      touchedAt = now();
      const { formTokens: _formTokens, ...rest } = counted;
      const left = tokens.filter((other) => other !== token);
      record = left.length === 0 ? rest : { ...rest, formTokens: left };
      return data.seal(record, { id, secret: access.secret });
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
      isolation.settle(kept, false);
      this.#isPassive = false;
      this.#state.noteTouch(touchedAt);
    }
    this.#state.forgetFormToken(token);
    return kept !== undefined;
  }

  /** Notes to which generation a login of the user belongs, here or later. */
  async beginLogin(user: string): Promise<void> {
    this.#state.write();
    const generation = await loadGeneration(this.#settings.store, user);
    this.#state.write().beginLogin(user, generation);
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
    const { store, touchAfter, now } = this.#settings;
    const credentials = this.#credentials;
    const { stored, storedUser, isNew } = this.#state;
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
    if (touchedAt !== undefined) this.#state.noteTouch(touchedAt);
    return true;
  }

  /** Lets the next exclusive request have the session. */
  leave(): PromiseLike<void> | undefined {
    return this.#isolation.leave();
  }

  /** Ends the request: what it writes from here on throws. */
  close(): PromiseLike<void> | undefined {
    this.#state.close();
    return this.leave();
  }

  /**
   * Tells to which generation of the user's sessions the login belongs.
   *
   * @param change What the request did.
   * @param revocations With that of the user who logs in.
   * @param id The session that is to be the user's.
   * @throws {SessionRevokedError} If that generation has ended.
   */
  #generationOf(
    { login: user, loginGeneration }: SessionChange,
    revocations: Revocations,
    id: string,
  ): number | undefined {
    if (user === undefined) return undefined;
    const revocation = revocations.get(user);
    const isOpened = user === this.#openedUser;
    const generation = this.#joined?.get(user) ?? loginGeneration ??
      (isOpened ? this.#openedGeneration : undefined);
    const isEnded = generation === undefined
      ? revocation !== undefined &&
        isLater(revocation, this.#opening, this.#settings.now())
      : isRevoked(id, { user, userGeneration: generation }, revocation);
    if (isEnded) throw new SessionRevokedError(id);
    // The first is not noted.
    return (generation ?? revocation?.generation) || undefined;
  }

  /** Decides whether the request may write to the record as it is now. */
  #verifyWriter(
    record: SessionRecord,
    credentials: Credentials,
    revocations: Revocations,
  ): Access {
    const verified = verify(this.#settings, record, credentials);
    if (verified === undefined) return "refused";
    const isRevoked = isSignedOut(credentials.id, record, revocations);
    return isRevoked ? "revoked" : verified;
  }

  /** Makes the header that gives the client its token. */
  #issue(record: SessionRecord): Header {
    const { transport, now } = this.#settings;
    const { id, secret } = this.#credentials!;
    const maxAge = cookieAge(record, now());
    return transport.issue(this.#request, id + secret, maxAge);
  }
}

/** Tells whether a record has a secret. */
function isSecret(record: SessionRecord, secret: string | undefined): boolean {
  return secret !== undefined && record.secretHash === hashSecret(secret);
}
