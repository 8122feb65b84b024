import type { SessionRecord } from "../core/record.ts";
import { createSessionId } from "../core/token.ts";
import { Flash } from "./flash.ts";
import { FormTokens } from "./form_tokens.ts";
import { changeLifetime, type SessionLifetime } from "./lifetime.ts";
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
  readonly isDestroyed: boolean;
  /** Whether the session is to get a new secret. */
  readonly isRegenerated: boolean;
  readonly isLifetimeChanged: boolean;
  /** The user of the record that the request knows. */
  readonly oldUser: string | undefined;
  /** The user whom the commit leaves signed in. */
  readonly newUser: string | undefined;
  /**
   * Does the same to a record as it is now. May be called again.
   *
   * @param record The record.
   * @param userGeneration The generation that a login of this request belongs to.
   * @returns The new record; `undefined` when it would hold nothing.
   */
  apply(
    record: SessionRecord,
    userGeneration: number | undefined,
  ): SessionRecord | undefined;
}

const COMMITTING = "it is being committed";
const CLOSED = "its request is over";
const READ_ONLY = "it was opened with the isolation readOnly";
const LONGEST_LABEL = 256;

/**
 * What lies behind a `Session`, for that class and the manager alone: the parts
 * that change, and how their changes reach the store.
 *
 * A commit is `begin`, `finish` if it succeeded, and `unlock`. In between
 * nothing may be written: it would be in neither the old state nor the new.
 */
export class SessionState {
  readonly now: () => number;
  readonly data: SessionData;
  isNew: boolean;
  createdAt: number;
  lastAccess: number;
  user: string | undefined;
  label: string | undefined;
  /** Whether the request may change nothing. */
  isReadOnly = false;
  /** Whether the request looked at the session in any way. */
  isUsed = false;
  /** What a manager keeps with the session; a `WeakMap` of its own costs more. */
  owner: object | undefined;
  readonly #format: ValueFormat;
  #id: string | undefined;
  /** The record as this request knows it. */
  #record: SessionRecord | undefined;
  #flash: Flash | undefined;
  #formTokens: FormTokens | undefined;
  #isUserChanged = false;
  #isLabelChanged = false;
  #isRegenerated = false;
  #changeLifetime: ReturnType<typeof changeLifetime> | undefined;
  #isDestroyed = false;
  /** Whether the stored record may hold nothing any more. */
  #mayBeEmpty = false;
  /** Why nothing may be written at the moment. */
  #locked: string | undefined;

  constructor({ stored, now = Date.now, types }: SessionOptions) {
    const record = stored?.record;
    this.now = now;
    this.#format = valueFormat(types);
    this.data = new SessionData(record, this.#format, now);
    this.isNew = stored === undefined;
    this.createdAt = record?.createdAt ?? now();
    this.lastAccess = stored?.lastAccess ?? this.createdAt;
    this.user = record?.user;
    this.label = record?.label;
    this.#id = stored?.id;
    this.#record = record;
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

  /** The user of the record that the request knows. */
  get storedUser(): string | undefined {
    return this.#record?.user;
  }

  get isEmpty(): boolean {
    return this.data.isEmpty && this.flash.isEmpty &&
      this.formTokens.isEmpty && this.user === undefined;
  }

  /** Notes that the request looks at the session. */
  read(): this {
    this.isUsed = true;
    return this;
  }

  /** Notes that the request is about to change the session. */
  write(): this {
    const problem = this.isReadOnly
      ? READ_ONLY
      : this.#isDestroyed
      ? "it was destroyed"
      : this.#locked;
    if (problem !== undefined) {
      throw new TypeError(`Cannot change the session: ${problem}`);
    }
    return this.read();
  }

  /** Notes that the request is about to use up what an earlier one left. */
  use(): this {
    const isLost = this.isReadOnly || this.#locked !== undefined;
    return isLost ? this.write() : this.read();
  }

  setUser(user: string | null): void {
    if (user !== null && (typeof user !== "string" || user === "")) {
      throw new TypeError("Cannot set the user: it is neither a name nor null");
    }
    if (user === (this.user ?? null)) return;
    this.user = user ?? undefined;
    this.#isUserChanged = true;
    this.#isRegenerated = true;
  }

  setLabel(label: string | null): void {
    const text = shorten(label);
    if (text === this.label) return;
    this.label = text;
    this.#isLabelChanged = true;
  }

  regenerate(): void {
    this.#isRegenerated = true;
  }

  setLifetime(lifetime: SessionLifetime): void {
    this.#changeLifetime = changeLifetime(lifetime, this.now());
  }

  destroy(): void {
    if (this.read().#isDestroyed) return;
    this.write().#rebase(undefined);
    this.#isDestroyed = true;
  }

  /** Follows the store, which has already removed a form token. */
  forgetFormToken(token: string, kept: SessionRecord | undefined): void {
    this.formTokens.forget(token);
    this.#mayBeEmpty ||= kept !== undefined && isEmptyRecord(kept);
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
    const isUserChanged = this.#isUserChanged;
    const isLabelChanged = this.#isLabelChanged;
    const newUser = this.user;
    const newLabel = this.label;
    const isChanged = this.#isDestroyed || this.#isRegenerated ||
      this.#mayBeEmpty || isLabelChanged ||
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
      isDestroyed: this.#isDestroyed,
      isRegenerated: this.#isRegenerated,
      isLifetimeChanged: changeLifetime !== undefined,
      oldUser: this.storedUser,
      newUser,
      apply(before, userGeneration) {
        let record = changeLifetime?.(before) ?? before;
        if (isUserChanged) record = withUser(record, newUser, userGeneration);
        if (isLabelChanged) record = withLabel(record, newLabel);
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
        const changed = {
          ...rest,
          data,
          ...(keyExpiry !== undefined && { keyExpiry }),
          ...(flash !== undefined && { flash }),
          ...(flashLeft !== undefined && { flashLeft }),
          ...(formTokens.length > 0 && { formTokens }),
        };
        return isEmptyRecord(changed) ? undefined : changed;
      },
    };
  }

  /** Starts anew from what was kept; when nothing was, as a new session. */
  finish(kept: SessionRecord | undefined): void {
    if (this.#isDestroyed) return;
    this.isNew = kept === undefined;
    if (kept === undefined) {
      this.#id = undefined;
      this.createdAt = this.lastAccess = this.now();
    }
    this.#rebase(kept);
  }

  /** Ends a commit; without a `finish`, all that was done is still to be done. */
  unlock(): void {
    if (this.#locked === COMMITTING) this.#locked = undefined;
  }

  /** Locks the session for good: what is written from here on would be lost. */
  close(): void {
    this.#locked = CLOSED;
  }

  #rebase(kept: SessionRecord | undefined): void {
    this.data.rebase(kept);
    this.user = kept?.user;
    this.label = kept?.label;
    this.#record = kept;
    this.#flash = this.#formTokens = this.#changeLifetime = undefined;
    this.#isUserChanged = this.#isLabelChanged = false;
    this.#isRegenerated = this.#mayBeEmpty = false;
  }

  /** The ID and the names of the keys; never a value. */
  inspect(): string {
    const keys = this.data.keys().map((key) => JSON.stringify(key)).join(", ");
    return `Session ${this.#id ?? "(new)"} { ${keys} }`;
  }
}

function isEmptyRecord(record: SessionRecord): boolean {
  const { data, flash, formTokens, user } = record;
  return user === undefined && flash === undefined &&
    formTokens === undefined && Object.keys(data).length === 0;
}

/** Signs a user in to a record, or out of it. */
function withUser(
  record: SessionRecord,
  user: string | undefined,
  generation: number | undefined,
): SessionRecord {
  const { user: _user, userGeneration: _userGeneration, ...rest } = record;
  if (user === undefined) return rest;
  const userGeneration = generation !== undefined &&
    { userGeneration: generation };
  return { ...rest, user, ...userGeneration };
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
