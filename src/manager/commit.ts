/*
 * How what a request did reaches the store:
 *
 *   create    a new session, if it holds anything
 *   replace   the stored session ends, and a new one may begin
 *   update    the change is done to the record as it is now, in one `update` of
 *             the store
 *
 * What the record may be at the commit, and what follows, is a table at the class
 * `SessionManager`.
 */
import {
  SessionConflictError,
  SessionGoneError,
  SessionStoreTimeoutError,
} from "../core/errors.ts";
import type { SessionRecord } from "../core/record.ts";
import { KEEP } from "../core/store.ts";
import { createSecret, createSessionId, hashSecret } from "../core/token.ts";
import type { Header } from "../http/transport.ts";
import { changeLifetime, noteCookie, oweCookie } from "../session/lifetime.ts";
import {
  isEmptyRecord,
  type SessionChange,
  type SessionContent,
} from "../session/session_state.ts";
import { offerDevice } from "./device_options.ts";
import {
  type Credentials,
  endGrace,
  isBound,
  isOpening,
  matchSecret,
  replaceSecret,
} from "./rotation.ts";
import { dueStep, needsCookie, renewCookie, takeStep } from "./upkeep.ts";
import { isSignedOut, loadRevocations, type Revocations } from "./users.ts";
import type { Visit } from "./visit.ts";

/** A new session, checked, as the request goes on with it and as it is stored. */
interface NewSession {
  readonly credentials: Credentials;
  readonly record: SessionRecord;
  readonly stored: SessionRecord;
}

/** What the store was given to keep. */
interface Kept {
  readonly record: SessionRecord;
  readonly secret: string;
  readonly touchedAt: number;
  readonly isCookieDue: boolean;
  /** Whether another than the first secret of the server had sealed it. */
  readonly wasSealOld: boolean;
}

/**
 * Commits what a request did, if anything is to be kept or sent.
 *
 * @param visit The request.
 * @param canSend Whether the client can be sent anything.
 * @returns What issues the client's token or revokes it; `undefined` when the
 * client needs neither, and without a promise when there is nothing to do.
 * @throws As `commit` of the manager.
 */
export function commitVisit(
  visit: Visit,
  canSend = true,
): Promise<Header | undefined> | undefined {
  const { state, credentials, isolation, others } = visit;
  const { isUsed, isLogout, login } = state;
  // An image that never looked at the session stays public.
  const canKeepUp = canSend && isUsed && !visit.isPassive;
  const isUpkeepDue = canKeepUp && visit.isUpkeepDue && !isolation.isReadOnly;
  const isEnding = others.length > 0 && (isLogout || login !== undefined);
  const change = state.begin(isUpkeepDue || isEnding);
  if (change !== undefined) {
    const commit = new Commit(visit, change, isEnding, canSend);
    isolation.outcome = "unchanged";
    return visit.settings.observe(
      "commit",
      () => commit.run(),
      () => isolation.outcome,
    );
  }
  const isRenewed = canKeepUp && credentials !== undefined &&
    needsCookie(visit, state.stored!);
  if (isRenewed) return renewCookie(visit, credentials);
  const isUnproven = canSend && isUsed && visit.opening === "unproven";
  return isUnproven ? Promise.resolve(forgetCookie(visit)) : undefined;
}

/** Makes a browser refresh the cookie of its device-bound session. */
function forgetCookie({ settings, request }: Visit): Header {
  return settings.transport.revoke(request);
}

/** Commits; a refusal is reported and not thrown. */
export function commitOrReport(
  visit: Visit,
): Promise<Header | undefined> | undefined {
  return commitVisit(visit)?.catch((error) => {
    if (!(error instanceof SessionGoneError)) throw error;
    // The answer says that the user is signed in.
    if (visit.state.login !== undefined) throw error;
    const { sessionId } = error;
    visit.settings.report({ type: "refused", sessionId, error });
    return undefined;
  });
}

/** One commit of a request. */
class Commit {
  readonly #visit: Visit;
  readonly #change: SessionChange;
  /** Whether the sessions that the request did not get end with it. */
  readonly #isEnding: boolean;
  readonly #canSend: boolean;
  #revocations!: Revocations;
  /** One each, however often the store calls. */
  #newSecret: string | undefined;
  #offerSecret: string | undefined;
  /** Whether a step of the rotation made the record larger. */
  #isGrown = false;
  /** Whether the store has failed with that, so that it is left out. */
  #isGrowthFailed = false;
  /** What the store was last given. */
  #given: SessionRecord | undefined;
  /** What came of the record; missing until the store has called. */
  #outcome: Kept | "refused" | "revoked" | undefined;

  constructor(
    visit: Visit,
    change: SessionChange,
    isEnding: boolean,
    canSend: boolean,
  ) {
    this.#visit = visit;
    this.#change = change;
    this.#isEnding = isEnding;
    this.#canSend = canSend;
  }

  async run(): Promise<Header | undefined> {
    const { state, settings, isolation, credentials } = this.#visit;
    const { isChanged, isEnded, isRegenerated, login } = this.#change;
    const isEnding = this.#isEnding;
    this.#visit.isPassive = false;
    try {
      if (isRegenerated) this.#checkCanSend();
      const { store } = settings;
      const { storedUser } = state;
      this.#revocations = await loadRevocations(store, storedUser, login);
      if (credentials === undefined) {
        const begun = this.#begin(state.id, state.createdAt);
        const isOthersEnded = isEnding && await this.#visit.endOthers();
        if (begun !== undefined) return await this.#create(begun);
        if (isOthersEnded) return this.#forget();
        const isUnproven = this.#canSend &&
          this.#visit.opening === "unproven";
        return isUnproven ? forgetCookie(this.#visit) : undefined;
      }
      const header = isEnded
        ? await this.#replace(credentials)
        : await this.#update(credentials);
      // After an earlier commit of the same request.
      if (isEnding) await this.#visit.endOthers();
      return header;
    } catch (error) {
      if (isChanged || isEnding) {
        isolation.countFailure(error);
        throw error;
      }
      // A step of the rotation was all there was to do, and the request goes on.
      if (error instanceof SessionGoneError) return undefined;
      this.#reportUnrotated(credentials!, error);
      if (error instanceof SessionStoreTimeoutError) return undefined;
      return needsCookie(this.#visit, state.stored!)
        ? await renewCookie(this.#visit, credentials!)
        : undefined;
    } finally {
      state.unlock();
    }
  }

  #reportUnrotated({ id: sessionId }: Credentials, error: unknown): void {
    this.#visit.settings.report({ type: "unrotated", sessionId, error });
  }

  /** Refuses what would leave the browser without its cookie. */
  #checkCanSend(): void {
    if (this.#canSend) return;
    throw new TypeError(
      "Cannot commit the session: its new cookie needs headers to go into",
    );
  }

  /**
   * Makes a new session of what the request did, and checks it.
   *
   * @returns `undefined` when it holds nothing.
   */
  #begin(
    id: string,
    createdAt: number,
    content: SessionContent = { data: {} },
  ): NewSession | undefined {
    const { recordFormat, lifetime, now } = this.#visit.settings;
    const begin = changeLifetime(lifetime, createdAt);
    const begun = this.#offer(this.#change.apply(
      begin({ ...content, createdAt }),
      this.#visit.generationOf(this.#change, this.#revocations, id),
    ));
    if (isEmptyRecord(begun)) return undefined;
    // The browser has one already, in whose place it would come: its next request
    // may have refreshed the cookie.
    const { opening } = this.#visit;
    const isInPlace = opening === "unproven" || opening === "skipped";
    if (isInPlace && this.#change.login === undefined) return undefined;
    this.#checkCanSend();
    const secret = createSecret();
    const secretHash = hashSecret(secret);
    const credentials = { id, secret, secretHash };
    const record = noteCookie({ ...begun, secretHash }, now());
    return {
      credentials,
      record,
      stored: recordFormat.write(credentials, record),
    };
  }

  async #create({ credentials, record, stored }: NewSession): Promise<Header> {
    const { settings, isolation } = this.#visit;
    const { id } = credentials;
    const touchedAt = settings.now();
    if (!await settings.store.create(id, stored)) {
      throw new Error(`Cannot create session ${id}: its ID is taken`);
    }
    isolation.noteBegun(record);
    this.#visit.finish({ id, record, touchedAt }, credentials);
    return this.#visit.issue(record, this.#offerSecret);
  }

  /** Offers to the browser of a user who signs in to register a key. */
  #offer(record: SessionRecord): SessionRecord {
    const { settings: { device, now }, request } = this.#visit;
    const isAny = device !== undefined && this.#change.login !== undefined;
    if (!isAny) return record;
    this.#offerSecret ??= createSecret();
    return offerDevice(device, request, record, this.#offerSecret, now());
  }

  /**
   * Ends the stored session, and creates the one that the request went on with.
   * In this order: a logout succeeds where nothing can be written.
   */
  async #replace(
    { id, secretHash }: Credentials,
  ): Promise<Header | undefined> {
    const { settings: { store, now }, isolation, state } = this.#visit;
    const { id: newId, createdAt, storedUser } = state;
    // What cannot be kept is refused before anything ends.
    const begun = this.#begin(newId, createdAt);
    let ending: "ended" | "revoked" | "refused" | undefined;
    const kept = await store.update(id, (found) => {
      // To delete a record takes no key, so it is not unsealed.
      const isOpen = isOpening(matchSecret(found, secretHash, now()));
      const isUsers = storedUser !== undefined && found.user === storedUser;
      ending = "refused";
      if (!isOpen && !isUsers) return KEEP;
      if (isOpen) isolation.countCommit(id, found, true);
      const isRevoked = isSignedOut(id, found, this.#revocations);
      ending = isRevoked ? "revoked" : "ended";
      return undefined;
    });
    const isGone = kept === undefined;
    if (!isGone && ending === "refused" && this.#change.login === undefined) {
      throw new SessionGoneError(id);
    }
    if (begun !== undefined) return await this.#create(begun);
    // A session that was found gone clears no cookie: that could be the new
    // one which a parallel request has just been given.
    if (!isGone && ending === "ended") return this.#forget();
    this.#visit.finish(undefined, undefined);
    return undefined;
  }

  /** Goes on with a new session, and makes the client forget its token. */
  #forget(): Header {
    const { settings, request, isolation } = this.#visit;
    isolation.noteBegun(undefined);
    this.#visit.finish(undefined, undefined);
    return settings.transport.revoke(request);
  }

  /** Does to the stored session what the request did; its upkeep cannot fail it. */
  async #update(credentials: Credentials): Promise<Header | undefined> {
    let failure: unknown;
    try {
      return await this.#updateOnce(credentials);
    } catch (error) {
      // What got no answer may be kept yet: a second try could count twice.
      const isFinal = error instanceof SessionGoneError ||
        error instanceof SessionConflictError ||
        error instanceof SessionStoreTimeoutError;
      if (isFinal || !this.#isGrown || !this.#change.isChanged) throw error;
      failure = error;
    }
    this.#isGrowthFailed = true;
    const header = await this.#updateOnce(credentials);
    this.#reportUnrotated(credentials, failure);
    return header;
  }

  async #updateOnce(credentials: Credentials): Promise<Header | undefined> {
    const { settings, isolation, state } = this.#visit;
    const { id } = credentials;
    const generation = this.#visit.generationOf(
      this.#change,
      this.#revocations,
      id,
    );
    const stored = await settings.store.update(
      id,
      (found) => this.#apply(found, credentials, generation),
    );
    const outcome = this.#outcome!;
    if (stored === undefined || typeof outcome === "string") {
      const { storedUser, storedContent } = state;
      const isFound = stored !== undefined;
      const isLogin = this.#change.login !== undefined &&
        outcome !== "revoked" && (isFound || storedUser === undefined);
      if (!isLogin) throw new SessionGoneError(id);
      // Nothing that was written to the record since goes in.
      const content = isFound ? storedContent : undefined;
      const begun = this.#begin(createSessionId(), settings.now(), content)!;
      return await this.#create(begun);
    }
    const { record, secret, touchedAt, wasSealOld } = outcome;
    isolation.noteCommitted(record, true);
    if (wasSealOld) settings.counters.resealed++;
    // Of a bound session a request may go on with the secret before.
    const secretHash = secret === credentials.secret
      ? credentials.secretHash
      : record.secretHash!;
    const { isUpkeepDue, isHandedOn } = this.#visit;
    this.#visit.finish({ id, record, touchedAt }, { id, secret, secretHash });
    if (this.#canSend) {
      return outcome.isCookieDue
        ? this.#visit.issue(record, this.#offerSecret)
        : undefined;
    }
    // A later commit can send it.
    this.#visit.isUpkeepDue = isUpkeepDue;
    this.#visit.isHandedOn = isHandedOn || secret !== credentials.secret;
    return undefined;
  }

  /** Does the change to the record as it is now. The store may call it again. */
  #apply(
    found: SessionRecord,
    credentials: Credentials,
    generation: number | undefined,
  ): SessionRecord | undefined | typeof KEEP {
    const visit = this.#visit;
    const { recordFormat, now, rotateEvery } = visit.settings;
    const { isChanged, isRegenerated, isLifetimeChanged } = this.#change;
    const { id } = credentials;
    const access = visit.verifyWriter(found, credentials, this.#revocations);
    if (typeof access === "string") {
      this.#outcome = access;
      return access === "refused" ? KEEP : undefined;
    }
    const { record: opened, isSealOld: wasSealOld } = access;
    let { secret } = access;
    const touchedAt = now();
    if (this.#isGrowthFailed && this.#isGiven(found, secret)) {
      // The store has kept it all, and failed afterwards.
      const record = recordFormat.read(id, opened);
      const isCookieDue = true;
      this.#outcome = { record, secret, touchedAt, isCookieDue, wasSealOld };
      return KEEP;
    }
    const counted = visit.isolation.countCommit(id, opened, isChanged);
    const changed = this.#change.apply(
      recordFormat.read(id, counted),
      generation,
    );
    const canRotate = this.#canSend && !isRegenerated && !this.#isGrowthFailed;
    const step = canRotate ? dueStep(visit, changed) : undefined;
    this.#isGrown = step === "rotate" || step === "confirm";
    // What has the secret before of a bound session is given no other.
    const isBehind = isBound(changed) && access.match === "previous";
    if (isRegenerated && !isBehind || step === "rotate") {
      secret = this.#newSecret ??= createSecret();
    }
    let next = changed;
    if (step !== undefined) {
      next = takeStep(step, visit.settings, changed, credentials, secret);
    } else if (isRegenerated && isBehind) {
      next = endGrace(changed);
    } else if (isRegenerated) {
      next = this.#offer(replaceSecret(changed, secret));
      if (rotateEvery !== Infinity) next = { ...next, rotatedAt: touchedAt };
    }
    const isCookieDue = isLifetimeChanged && !isBehind ||
      secret !== credentials.secret || needsCookie(visit, changed);
    const isSent = isCookieDue && this.#canSend;
    const record = isSent
      ? noteCookie(next, touchedAt)
      : isLifetimeChanged
      ? oweCookie(next)
      : next;
    this.#outcome = { record, secret, touchedAt, isCookieDue, wasSealOld };
    this.#given = recordFormat.write({ id, secret }, record, opened);
    return this.#given;
  }

  /** Tells whether a record is what the store was given when it failed. */
  #isGiven(found: SessionRecord, secret: string): boolean {
    return secret === this.#newSecret ||
      JSON.stringify(found) === JSON.stringify(this.#given);
  }
}
