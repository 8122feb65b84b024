import type { SessionDataError, SessionGoneError } from "../core/errors.ts";

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
 */
export interface SecretReusedEvent {
  /** Tells the events apart. */
  readonly type: "reused";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
}

/**
 * Reports that the data of a session could not be used: it does not fit the
 * schema, it is of a newer version, `migrate` or the codec failed. The request
 * got a new session; the record stays until it expires.
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
 * Reports that the rotation of a secret, a step of it, or sealing a session anew
 * could not be written, as when the record is nearly as large as the store can hold. The request went
 * on without; the next one tries again.
 */
export interface SessionUnrotatedEvent {
  /** Tells the events apart. */
  readonly type: "unrotated";
  /** The session ID; it opens nothing, so it may be logged. */
  readonly sessionId: string;
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

/** What {@linkcode SessionManagerOptions.onEvent} is called with. */
export type SessionEvent =
  | SessionRefusedEvent
  | SecretReusedEvent
  | SessionInvalidEvent
  | SessionUnrotatedEvent
  | SessionUnopenableEvent;

/**
 * Makes what all events go through. Whatever `onEvent` does, the request goes
 * on as if it had done nothing.
 */
export function reporterOf(
  onEvent: ((event: SessionEvent) => unknown) | undefined,
): (event: SessionEvent) => void {
  return (event) => {
    const fail = (error: unknown): void => {
      console.error(`onEvent failed at the event "${event.type}":`, error);
    };
    try {
      // It may be asynchronous, and a rejection would end the process.
      Promise.resolve(onEvent?.(event)).catch(fail);
    } catch (error) {
      fail(error);
    }
  };
}
