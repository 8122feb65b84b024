import type { SessionRecord } from "../core/record.ts";
import { createSessionId } from "../core/token.ts";
import { SessionData } from "./session_data.ts";
import { Flash } from "./flash.ts";
import {
  beginLife,
  changeLife,
  checkLifetime,
  type SessionLifetime,
} from "./lifetime.ts";
import { FormTokens } from "./form_tokens.ts";
import { bindUser } from "../manager/users.ts";
import { type TypesCodec, valueFormat } from "./value_format.ts";
import type { SessionChange, Visit } from "../manager/visit.ts";

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

const COMMITTING = "it is being committed";
const CLOSED = "its request is over";
const LONGEST_LABEL = 256;
const READ_ONLY = "it was opened with the isolation readOnly";

/**
 * What lies behind a `Session`, for that class and the manager alone: the parts
 * that change, and the way of their changes to the store.
 *
 * A commit is `begin`, `finish` if it succeeded, and `unlock`. In between
 * nothing may be written: it would be in neither the old state nor the new.
 */
export class SessionState {
  readonly now: () => number;
  readonly data: SessionData;
  readonly flash: Flash;
  readonly formTokens: FormTokens;
  isNew: boolean;
  createdAt: number;
  lastAccess: number;
  user: string | undefined;
  label: string | undefined;
  /** Who was logged in when the store was last asked. */
  storedUser: string | undefined;
  /** Of a session that a manager has opened. */
  visit: Visit | undefined;
  /** Whether the request looked at the session in any way. */
  isUsed = false;
  #id: string | undefined;
  #isUserChanged = false;
  #isLabelChanged = false;
  #isRegenerated = false;
  #life: ReturnType<typeof beginLife> | undefined;
  #isDestroyed = false;
  /** Whether the stored record may be one that is worth nothing by now. */
  #isSuspect = false;
  /** Why nothing may be written at the moment. */
  #locked: string | undefined;

  constructor(options: SessionOptions) {
    const { stored, now = Date.now, types } = options;
    const format = valueFormat(types);
    const record = stored?.record;
    this.now = now;
    this.data = new SessionData(record, { format, now });
    this.flash = new Flash(record?.flash, format);
    this.formTokens = new FormTokens(record?.formTokens);
    this.isNew = stored === undefined;
    this.createdAt = record?.createdAt ?? now();
    this.lastAccess = stored?.lastAccess ?? this.createdAt;
    this.user = this.storedUser = record?.user;
    this.label = record?.label;
    this.#id = stored?.id;
  }

  get id(): string {
    return this.#id ??= createSessionId();
  }

  get isEmpty(): boolean {
    return this.data.isEmpty && this.flash.isEmpty &&
      this.formTokens.isEmpty && this.user === undefined;
  }

  /** Says that the request looks at the session. */
  read(): this {
    this.isUsed = true;
    return this;
  }

  /** Says that the request is about to change the session. */
  write(): this {
    const problem = this.visit?.isolation.isReadOnly
      ? READ_ONLY
      : this.#isDestroyed
      ? "it was destroyed"
      : this.#locked;
    if (problem !== undefined) {
      throw new TypeError(`Cannot change the session: ${problem}`);
    }
    return this.read();
  }

  /** Says that the request is about to use up what an earlier one left. */
  use(): this {
    return this.visit?.isolation.isReadOnly ? this.write() : this.read();
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
    checkLabel(label);
    if (label === (this.label ?? null)) return;
    this.label = label ?? undefined;
    this.#isLabelChanged = true;
  }

  regenerate(): void {
    this.#isRegenerated = true;
  }

  setLifetime(lifetime: SessionLifetime): void {
    checkLifetime(lifetime, "set the lifetime");
    this.#life = beginLife(lifetime, this.now());
  }

  destroy(): void {
    if (this.read().#isDestroyed) return;
    this.write().#rebase(undefined);
    this.#isDestroyed = true;
  }

  /** Follows the store, which has already removed a form token. */
  forgetFormToken(token: string, kept: SessionRecord | undefined): void {
    this.formTokens.forget(token);
    this.#isSuspect ||= kept !== undefined && isEmptyRecord(kept);
  }

  /**
   * Takes down what was done, if anything was, and locks the session.
   *
   * @param isForced Whether to commit even if nothing was.
   */
  begin(isForced = false): SessionChange | undefined {
    if (this.#locked !== undefined) {
      throw new TypeError(`Cannot commit the session: ${this.#locked}`);
    }
    const changeData = this.data.takeChange();
    const changeFlash = this.flash.takeChange();
    const changeFormTokens = this.formTokens.takeChange();
    const isDestroyed = this.#isDestroyed;
    const isRegenerated = this.#isRegenerated;
    const isUserChanged = this.#isUserChanged;
    const newUser = this.user;
    const newLabel = this.#isLabelChanged ? this.label ?? null : undefined;
    const life = this.#life;
    const isChanged = isDestroyed || isRegenerated ||
      this.#isSuspect ||
      newLabel !== undefined ||
      life !== undefined || changeData !== undefined ||
      changeFlash !== undefined ||
      changeFormTokens !== undefined;
    if (!isChanged && !isForced) return undefined;
    // A change inside a value is not seen before.
    if (isChanged && this.visit?.isolation.isReadOnly) {
      throw new TypeError(
        `Cannot commit the session: ${READ_ONLY}, and a value in it was changed`,
      );
    }

    this.#locked = COMMITTING;
    return {
      isChanged,
      isDestroyed,
      isRegenerated,
      isLifeChanged: life !== undefined,
      users: [this.storedUser, newUser],
      apply(before, revocations) {
        const lasting = life === undefined ? before : changeLife(before, life);
        const bound = isUserChanged
          ? bindUser(lasting, newUser, revocations)
          : lasting;
        const record = newLabel === undefined
          ? bound
          : changeLabel(bound, newLabel);
        const {
          flash = {},
          formTokens = [],
          data: _data,
          keyExpiry: _keyEnds,
          ...rest
        } = record;
        const { data, keyExpiry } = changeData?.(record) ?? record;
        const newFlash = changeFlash?.(flash) ?? flash;
        const newTokens = changeFormTokens?.(formTokens) ?? formTokens;
        const merged = {
          ...rest,
          data,
          ...(keyExpiry !== undefined && { keyExpiry }),
          ...(Object.keys(newFlash).length > 0 && { flash: newFlash }),
          ...(newTokens.length > 0 && { formTokens: newTokens }),
        };
        return isEmptyRecord(merged) ? undefined : merged;
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
    this.flash.rebase(kept?.flash);
    this.formTokens.rebase(kept?.formTokens);
    this.user = this.storedUser = kept?.user;
    this.label = kept?.label;
    this.#isUserChanged = this.#isLabelChanged = false;
    this.#isRegenerated = this.#isSuspect = false;
    this.#life = undefined;
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

/**
 * Checks a label.
 *
 * @param label What was asked for.
 * @throws {TypeError} If it is neither text nor `null`.
 * @throws {RangeError} If it is empty or too long.
 */
function checkLabel(label: unknown): asserts label is string | null {
  if (label === null) return;
  if (typeof label !== "string") {
    throw new TypeError("Cannot set the label: it is neither text nor null");
  }
  if (label.length === 0 || label.length > LONGEST_LABEL) {
    throw new RangeError(
      `Cannot set the label: it is not 1 to ${LONGEST_LABEL} characters long`,
    );
  }
}

/** Gives a record another label, or with `null` none. */
function changeLabel(
  record: SessionRecord,
  label: string | null,
): SessionRecord {
  const { label: _label, ...rest } = record;
  return label === null ? rest : { ...rest, label };
}
