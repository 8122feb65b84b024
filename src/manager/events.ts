import type { SessionDataError, SessionGoneError } from "../core/errors.ts";
import { callListener } from "../core/listener.ts";

/**
 * Reports that a request brought tokens of different sessions, in cookies of the
 * same name: a neighbouring host may have planted one. The request gets a new
 * session; a login or logout in it ends these.
 */
export interface SessionAmbiguousEvent {
  /** Tells the events apart. */
  readonly type: "ambiguous";
  /**
   * The IDs of the sessions; none for a request with five tokens or more, which
   * are not looked up.
   */
  readonly sessionIds: readonly string[];
}

/** Reports that a request's changes were refused; its response was sent. */
export interface SessionRefusedEvent {
  /** Tells the events apart. */
  readonly type: "refused";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
  /** What `commit` threw. */
  readonly error: SessionGoneError;
}

/**
 * Reports that a request brought a secret that was replaced by rotation, after
 * its grace, which begins when the new one was brought: there is a copy of the
 * cookie. The request gets a new session.
 *
 * Of a session that is bound to a device it reports also a cookie that is older
 * than browsers keep it. A browser brings one too that did not get the answer to
 * its proof.
 */
export interface SecretReusedEvent {
  /** Tells the events apart. */
  readonly type: "reused";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
}

/**
 * Reports that a browser sent a request without the cookie of its device-bound
 * session, because it could not or would not refresh it; the request has a new
 * session, of which nothing is kept unless it signs a user in. Any client can
 * send the header that says so.
 *
 * @experimental As `deviceBound` is.
 */
export interface RefreshSkippedEvent {
  /** Tells the events apart. */
  readonly type: "skipped";
  /**
   * Why: this server failed to answer, could not be reached, or the browser has
   * signed too often of late.
   */
  readonly reason: "server_error" | "unreachable" | "quota_exceeded";
}

/**
 * Reports that the data of a session could not be used: it does not fit the
 * schema, it is of a newer version, `migrate` or the codec failed. The request
 * got a new session; a login or logout in it ends this one, else the record
 * stays until it expires.
 */
export interface SessionInvalidEvent {
  /** Tells the events apart. */
  readonly type: "invalid";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
  /** What is wrong with its data. */
  readonly error: SessionDataError;
}

/**
 * Reports that the server seems to be set up wrongly: it gives a `Secure` cookie
 * to a request over plain http, other than to localhost, or it gets
 * `X-Forwarded-Proto: https` while `trustProxy` is off. A manager reports each
 * problem once. A client can send that header too.
 */
export interface SessionMisconfiguredEvent {
  /** Tells the events apart. */
  readonly type: "misconfigured";
  /** What is wrong and what to do, in a sentence for a log. */
  readonly problem: string;
}

/**
 * Reports that what a request does for its session without being asked failed,
 * as when the record is nearly as large as the store can hold: a rotation of the
 * secret, a step of it, sealing the session anew, or sending its cookie again.
 * The request went on without; the next one tries again. Where a browser was
 * about to bind the session to its device, or to prove that it has the key, it
 * was answered with 503.
 */
export interface SessionUnrotatedEvent {
  /** Tells the events apart. */
  readonly type: "unrotated";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
  /**
   * Why: what the store threw, or an error in our code or the application's; no
   * other place shows it.
   */
  readonly error: unknown;
}

/**
 * Reports that the secret of a request fits its session, and none of `secrets`
 * opens what is sealed: one was dropped too early, or a server has another list.
 * The request gets a new session; the record stays until it expires, or until
 * the visitor signs out.
 */
export interface SessionUnopenableEvent {
  /** Tells the events apart. */
  readonly type: "unopenable";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
}

/**
 * Reports that a session could not be deleted: its user's sessions were revoked,
 * or a secret of it was used again and `endOnReuse` is set. To the request it is
 * no session, and a revoked one is none to any other.
 */
export interface SessionUnendedEvent {
  /** Tells the events apart. */
  readonly type: "unended";
  /**
   * The session ID; it opens nothing, so it may be logged. Where none of a user's
   * sessions could be deleted, the ID of the user's revocation, `user-…`.
   */
  readonly sessionId: string;
  /** What the store threw. */
  readonly error: unknown;
}

/** What {@linkcode SessionManagerOptions.onEvent} is called with. */
export type SessionEvent =
  | SessionAmbiguousEvent
  | SessionRefusedEvent
  | RefreshSkippedEvent
  | SecretReusedEvent
  | SessionInvalidEvent
  | SessionMisconfiguredEvent
  | SessionUnrotatedEvent
  | SessionUnendedEvent
  | SessionUnopenableEvent;

/**
 * Makes what all events go through. Whatever `onEvent` does, the request goes
 * on as if it had done nothing.
 */
export function reporterOf(
  onEvent: (event: SessionEvent) => unknown = warn,
): (event: SessionEvent) => void {
  const problems = new Set<string>();
  return (event) => {
    if (event.type === "misconfigured") {
      if (problems.has(event.problem)) return;
      problems.add(event.problem);
    }
    callListener(
      () => onEvent(event),
      `onEvent failed at the event "${event.type}":`,
    );
  };
}

/** Where nothing listens, a problem of the set-up must still be seen. */
function warn(event: SessionEvent): void {
  if (event.type !== "misconfigured") return;
  console.warn(`Sessions are misconfigured: ${event.problem}`);
}
