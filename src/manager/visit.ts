import type { SessionRecord } from "../core/record.ts";
import type { Credentials } from "./rotation.ts";
import type { Isolation } from "./isolation.ts";
import type { Revocations } from "./users.ts";

/** What a request did to its session, taken down for the store. */
export interface SessionChange {
  /** Whether it did anything; a commit may be due for another reason. */
  readonly isChanged: boolean;
  /** Whether the session is to end. */
  readonly isDestroyed: boolean;
  /** Whether it is to get a new secret. */
  readonly isRegenerated: boolean;
  /** Whether it is to live another time. */
  readonly isLifeChanged: boolean;
  /** Who was logged in when it was opened, and who is to be. */
  readonly users: readonly (string | undefined)[];
  /**
   * Does the same to a record as it is by now. May be called again.
   *
   * @param record The record.
   * @param revocations Those of the users.
   * @returns The new record; `undefined` when nothing in it is worth keeping.
   */
  apply(
    record: SessionRecord,
    revocations: Revocations,
  ): SessionRecord | undefined;
}

/** How a request came to its session; the manager's, which fills it in. */
export interface Visit {
  /** The request. */
  readonly request: Request;
  /** The manager's own revocation: another's sessions are none of its business. */
  readonly owner: object;
  /** The session and its secret, as they are now; none for a new session. */
  credentials: Credentials | undefined;
  /** The record, when the browser needs its cookie again. */
  renewed: SessionRecord | undefined;
  /** Whether the session is to get another secret, its old one being so old. */
  isSecretOld: boolean;
  /** How far the request is kept apart from others of the session. */
  readonly isolation: Isolation;
}
