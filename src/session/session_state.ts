import { expiryOf, type SessionRecord } from "../core/record.ts";
import { createSessionId } from "../core/token.ts";
import { Flash } from "./flash.ts";
import { FormTokens } from "./form_tokens.ts";
import {
  changeLifetime,
  restartLifetime,
  type SessionLifetime,
} from "./lifetime.ts";
import { SessionData } from "./session_data.ts";
import {
  type TypesCodec,
  type ValueFormat,
  valueFormat,
} from "./value_format.ts";

/** A session as a store had it. */
export interface StoredSession {
  /** The session ID. */
  readonly id: string;
  /** Its record; the session takes it over. */
  readonly record: SessionRecord;
  /** When it was last accessed, in ms since the epoch. */
  readonly lastAccess: number;
  /**
   * When this request marked it accessed, in ms since the epoch.
   *
   * @default {undefined} it did not
   */
  readonly touchedAt?: number | undefined;
}

/** What {@linkcode Session} takes. */
export interface SessionOptions {
  /**
   * What a store had.
   *
   * @default {undefined} a new session
   */
  readonly stored?: StoredSession | undefined;
  /**
   * Tells the time, in ms since the epoch.
   *
   * @default {Date.now}
   */
  readonly now?: (() => number) | undefined;
  /**
   * Keeps what JSON cannot hold; see {@linkcode SessionDataOptions.types}.
   *
   * @default {undefined} JSON only
   */
  readonly types?: TypesCodec | undefined;
}

/** What a request did to its session, to be done to the stored record. */
export interface SessionChange {
  /** Whether the request did anything; a commit may be due for another reason. */
  readonly isChanged: boolean;
  /** Whether the stored session ends; `apply` is then for a new one. */
  readonly isEnded: boolean;
  /** Whether the session is to get a new secret. */
  readonly isRegenerated: boolean;
  readonly isLifetimeChanged: boolean;
  /** The user who logs in, if one does. */
  readonly login: string | undefined;
  /** The generation in which the login began, where that was noted. */
  readonly loginGeneration: number | undefined;
  /**
   * Does the same to a record as it is now. May be called again.
   *
   * @param record The record.
   * @param userGeneration The generation that the login belongs to.
   */
  apply(
    record: SessionRecord,
    userGeneration: number | undefined,
  ): SessionRecord;
}

/** What a session of its own takes over from the one that the request opened. */
export type SessionContent = Pick<
  SessionRecord,
  "data" | "keyExpiry" | "flash"
>;

const COMMITTING = "it is being committed";
const CLOSED = "its request is over";
const READ_ONLY = "it was opened with the isolation readOnly";
const LONGEST_LABEL = 256;

/**
 * What lies behind a `Session`, for that class and the manager alone: the parts
 * that change, and how their changes reach the store.
 *
 * There are two sessions here once the request has ended the first: the stored
 * one, which the commit deletes, and a new one, which the request goes on with.
 *
 *   stored ── destroy(), setUser(null), setUser() of another ──> new, empty
 *     └────────────────────── discard() ─────────────────────<────┘
 *
 * A commit is `begin`, `finish` if it succeeded, and `unlock`. In between
 * nothing may be written: it would be in neither the old state nor the new.
 */
export class SessionState {
  readonly now: () => number;
  readonly data: SessionData;
  isNew = true;
  createdAt = 0;
  lastAccess = 0;
  user: string | undefined;
  signedInAt: number | undefined;
  label: string | undefined;
  /** Whether the request may change nothing. */
  isReadOnly = false;
  /** Whether the request ended the session, also one that was new. */
  isLogout = false;
  /** Whether the request looked at the session in any way. */
  isUsed = false;
  #isWritten = false;
  /** What a manager keeps with the session; a `WeakMap` of its own costs more. */
  owner: object | undefined;
  readonly #format: ValueFormat;
  /** The session as the store had it at the opening or the last commit. */
  #stored: StoredSession | undefined;
  /** Whether the stored session ends. */
  #isEnded = false;
  #id: string | undefined;
  /** The record of the session that the request goes on with. */
  #record: SessionRecord | undefined;
  #flash: Flash | undefined;
  #formTokens: FormTokens | undefined;
  #isLogin = false;
  #loginGeneration: number | undefined;
  /** The login that began and has not ended. */
  #begunLogin: SessionRecord["login"];
  /** The same, whatever the request has done to the session since. */
  #boundLogin: SessionRecord["login"];
  #isLoginBegun = false;
  #isLabelSet = false;
  #isRegenerated = false;
  #changeLifetime: ReturnType<typeof changeLifetime> | undefined;
  /** Why nothing may be written at the moment. */
  #locked: string | undefined;

  constructor({ stored, now = Date.now, types }: SessionOptions) {
    this.now = now;
    this.#format = valueFormat(types);
    this.data = new SessionData(stored?.record, this.#format, now);
    this.#stored = stored;
    this.#reset(stored);
  }

  get id(): string {
    return this.#id ??= createSessionId();
  }

  get flash(): Flash {
    return this.#flash ??= new Flash(this.#record ?? {}, this.#format);
  }

  get formTokens(): FormTokens {
    return this.#formTokens ??= new FormTokens(this.#record?.formTokens);
  }

  /** The record that the request knows. */
  get stored(): SessionRecord | undefined {
    return this.#stored?.record;
  }

  /** The user of the record that the request knows. */
  get storedUser(): string | undefined {
    return this.#stored?.record.user;
  }

  /** What the stored session held when the request found it. */
  get storedContent(): SessionContent {
    const { flash } = this.#stored?.record ?? {};
    return { ...this.data.stored, ...(flash !== undefined && { flash }) };
  }

  /** When it expires by what the store holds; `null` for never, or not stored. */
  get expiresAt(): number | null {
    const stored = this.#stored;
    if (stored === undefined || this.isNew) return null;
    const { record, lastAccess, touchedAt = lastAccess } = stored;
    return expiryOf(record, touchedAt);
  }

  /** The user who logs in, if one does. */
  get login(): string | undefined {
    return this.#isLogin ? this.user : undefined;
  }

  get isEmpty(): boolean {
    return this.#begunLogin === undefined && this.data.isEmpty &&
      this.flash.isEmpty &&
      this.formTokens.isEmpty && this.user === undefined;
  }

  /** Whether what the request did changes the cookie, if a commit keeps anything. */
  get changesCookie(): boolean {
    return this.#isWritten && (this.isNew || this.#isRegenerated ||
      this.#changeLifetime !== undefined);
  }

  /** Notes that the request looks at the session. */
  read(): this {
    this.isUsed = true;
    return this;
  }

  /** Notes that the request is about to change the session. */
  write(): this {
    const problem = this.isReadOnly ? READ_ONLY : this.#locked;
    if (problem !== undefined) {
      throw new TypeError(`Cannot change the session: ${problem}`);
    }
    this.#isWritten = true;
    return this.read();
  }

  /** Notes that the request is about to use up what an earlier one left. */
  use(): this {
    return this.write();
  }

  setUser(user: string | null): void {
    if (user !== null && (typeof user !== "string" || user === "")) {
      throw new TypeError("Cannot set the user: it is neither a name nor null");
    }
    if (user === null) {
      if (this.user !== undefined) this.destroy();
      this.isLogout = true;
      return;
    }
    if (this.user !== undefined && this.user !== user) this.#replace();
    const bound = this.#boundLogin;
    this.#loginGeneration = bound?.user === user ? bound.generation : undefined;
    this.#begunLogin = undefined;
    this.#isLoginBegun = false;
    this.user = user;
    this.signedInAt = this.now();
    this.#isLogin = true;
    this.regenerate();
  }

  /** Notes in which generation the login of a user begins. */
  beginLogin(user: string, generation: number): void {
    this.#begunLogin = this.#boundLogin = { user, generation };
    this.#isLoginBegun = true;
  }

  setLabel(label: string | null): void {
    this.label = shorten(label);
    this.#isLabelSet = true;
  }

  /** An attacker who had the old secret may know the form tokens, too. */
  regenerate(): void {
    this.#isRegenerated = true;
    this.formTokens.clear();
  }

  setLifetime(lifetime: SessionLifetime): void {
    this.#changeLifetime = changeLifetime(lifetime, this.now());
  }

  destroy(): void {
    const bound = this.#boundLogin;
    this.#isEnded = this.#stored !== undefined;
    this.data.end();
    this.#reset(undefined);
    this.#boundLogin = bound;
    this.isLogout = true;
  }

  discard(): void {
    this.#isEnded = false;
    this.data.discard();
    this.#reset(this.#stored);
  }

  /** Ends the session, but for what the request said of its successor. */
  #replace(): void {
    const label = this.#isLabelSet ? this.label ?? null : undefined;
    const changeLifetime = this.#changeLifetime;
    this.destroy();
    if (label !== undefined) this.setLabel(label);
    this.#changeLifetime = changeLifetime;
  }

  /** Follows the store, which has marked the stored session accessed. */
  noteTouch(touchedAt: number): void {
    this.#stored = this.#stored && { ...this.#stored, touchedAt };
  }

  /** Follows the store, which has already removed a form token. */
  forgetFormToken(token: string): void {
    this.formTokens.forget(token);
    if (this.#stored === undefined) return;
    const { formTokens = [], ...rest } = this.#stored.record;
    const left = formTokens.filter((other) => other !== token);
    const record = { ...rest, ...(left.length > 0 && { formTokens: left }) };
    this.#stored = { ...this.#stored, record };
    // The request may have ended the session since it sent the token.
    if (!this.#isEnded) this.#record = record;
  }

  /**
   * Collects what the request did, if anything, and locks the session.
   *
   * @param isForced Whether to commit even if it did nothing.
   */
  begin(isForced = false): SessionChange | undefined {
    if (this.#locked !== undefined) {
      throw new TypeError(`Cannot commit the session: ${this.#locked}`);
    }
    const changeData = this.data.takeChange();
    const changeFlash = this.#flash?.takeChange();
    const changeFormTokens = this.#formTokens?.takeChange();
    const changeLifetime = this.#changeLifetime;
    const { login, signedInAt, label } = this;
    // A login may find another record at the commit, or none.
    const isLabelChanged = this.#isLabelSet &&
      (login !== undefined || label !== this.#record?.label);
    const begunLogin = this.#isLoginBegun ? this.#begunLogin : undefined;
    const isChanged = this.#isEnded || this.#isRegenerated ||
      isLabelChanged || begunLogin !== undefined ||
      changeLifetime !== undefined || changeData !== undefined ||
      changeFlash !== undefined || changeFormTokens !== undefined;
    if (!isChanged && !isForced) return undefined;
    // A change inside a value is not seen before.
    if (isChanged && this.isReadOnly) {
      throw new TypeError(
        `Cannot commit the session: ${READ_ONLY}, and a value in it was changed`,
      );
    }

    this.#locked = COMMITTING;
    return {
      isChanged,
      isEnded: this.#isEnded,
      isRegenerated: this.#isRegenerated,
      isLifetimeChanged: changeLifetime !== undefined,
      login,
      loginGeneration: this.#loginGeneration,
      apply(before, userGeneration) {
        let record = changeLifetime?.(before) ?? before;
        if (login !== undefined) {
          record = withUser(record, login, signedInAt!, userGeneration);
          if (!changeLifetime) record = restartLifetime(record, signedInAt!);
        }
        if (begunLogin !== undefined) record = { ...record, login: begunLogin };
        if (isLabelChanged) record = withLabel(record, label);
        const {
          flash: _flash,
          flashLeft: _flashLeft,
          formTokens: oldTokens = [],
          data: _data,
          keyExpiry: _keyExpiry,
          ...rest
        } = record;
        const { data, keyExpiry } = changeData?.(record) ?? record;
        const { flash, flashLeft } = changeFlash?.(record) ?? record;
        const formTokens = changeFormTokens?.(oldTokens) ?? oldTokens;
        return {
          ...rest,
          data,
          ...(keyExpiry !== undefined && { keyExpiry }),
          ...(flash !== undefined && { flash }),
          ...(flashLeft !== undefined && { flashLeft }),
          ...(formTokens.length > 0 && { formTokens }),
        };
      },
    };
  }

  /** Starts anew from what was kept; when nothing was, as a new session. */
  finish(kept: Omit<StoredSession, "lastAccess"> | undefined): void {
    const { lastAccess } = this;
    const id = this.#id;
    this.#stored = kept && { ...kept, lastAccess };
    this.#isEnded = false;
    this.data.rebase(kept?.record);
    this.#reset(this.#stored);
    // The new session that the request has seen already.
    this.#id ??= id;
  }

  /** Ends a commit; without a `finish`, all that was done is still to be done. */
  unlock(): void {
    if (this.#locked === COMMITTING) this.#locked = undefined;
  }

  /** Locks the session for good: what is written from here on would be lost. */
  close(): void {
    this.#locked = CLOSED;
  }

  /** Goes on with a session to which nothing has been done. */
  #reset(stored: StoredSession | undefined): void {
    const record = stored?.record;
    this.isNew = stored === undefined;
    this.isLogout = false;
    this.createdAt = record?.createdAt ?? this.now();
    this.lastAccess = stored?.lastAccess ?? this.createdAt;
    this.user = record?.user;
    this.signedInAt = record?.signedInAt;
    this.label = record?.label;
    this.#id = stored?.id;
    this.#record = record;
    this.#flash = this.#formTokens = this.#changeLifetime = undefined;
    this.#begunLogin = this.#boundLogin = record?.login;
    this.#loginGeneration = undefined;
    this.#isLogin = this.#isLoginBegun = false;
    this.#isLabelSet = this.#isRegenerated = false;
  }

  /** The ID and the names of the keys; never a value. */
  inspect(): string {
    const keys = this.data.keys().map((key) => JSON.stringify(key)).join(", ");
    return `Session ${this.#id ?? "(new)"} { ${keys} }`;
  }
}

/** Tells whether a record holds nothing that a new session would be stored for. */
export function isEmptyRecord(record: SessionRecord): boolean {
  const { data, flash, formTokens, user, login } = record;
  return user === undefined && login === undefined && flash === undefined &&
    formTokens === undefined && Object.keys(data).length === 0;
}

/** Signs a user in to a record. */
function withUser(
  record: SessionRecord,
  user: string,
  signedInAt: number,
  generation: number | undefined,
): SessionRecord {
  // The device of an earlier login proves nothing about this one.
  const {
    userGeneration: _userGeneration,
    login: _login,
    device: _device,
    deviceOffer: _deviceOffer,
    ...rest
  } = record;
  const userGeneration = generation !== undefined &&
    { userGeneration: generation };
  return { ...rest, user, signedInAt, ...userGeneration };
}

function withLabel(
  record: SessionRecord,
  label: string | undefined,
): SessionRecord {
  const { label: _label, ...rest } = record;
  return label === undefined ? rest : { ...rest, label };
}

/** Cuts a label, which often is a whole `User-Agent`. */
function shorten(label: unknown): string | undefined {
  if (label === null || label === "") return undefined;
  if (typeof label !== "string") {
    throw new TypeError(
      "Cannot set the label: it is neither a string nor null",
    );
  }
  if (label.length <= LONGEST_LABEL) return label;
  // Half of a surrogate pair would be shown as a replacement character.
  return label.slice(0, LONGEST_LABEL).replace(/[\ud800-\udbff]$/, "");
}
