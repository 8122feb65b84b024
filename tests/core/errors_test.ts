import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  SessionConflictError,
  SessionDataError,
  SessionDirectoryError,
  SessionError,
  SessionGoneError,
  SessionLockTimeoutError,
  SessionRevokedError,
  SessionTooLargeError,
} from "../../src/core/errors.ts";

Deno.test("errors have their class's name, as their text shows it", () => {
  const cause = new Error("cause");
  const errors = [
    new SessionGoneError("0123456789abcdef"),
    new SessionConflictError("0123456789abcdef"),
    new SessionRevokedError("0123456789abcdef"),
    new SessionLockTimeoutError("sessions/0123456789abcdef", 5_000),
    new SessionDirectoryError("sessions", "it is missing", { cause }),
    new SessionDataError("0123456789abcdef", "it does not fit", { cause }),
    new SessionTooLargeError("0123456789abcdef", 2, 1),
  ];
  for (const error of errors) {
    assert(error instanceof SessionError);
    assertEquals(error.name, error.constructor.name);
    assert(String(error).startsWith(`${error.name}: Cannot `));
    assert(error.stack?.includes("errors_test"));
  }
});

Deno.test("SessionGoneError says which session", () => {
  const error = new SessionGoneError("0123456789abcdef");
  assertEquals(error.sessionId, "0123456789abcdef");
  assertEquals(
    error.message,
    "Cannot commit session 0123456789abcdef: it is gone",
  );
});

Deno.test("SessionRevokedError says which session, and what to do", () => {
  const error = new SessionRevokedError("0123456789abcdef");
  assertEquals(error.sessionId, "0123456789abcdef");
  assertStringIncludes(error.message, "session 0123456789abcdef");
  assertStringIncludes(error.message, "except: session");
});

Deno.test("SessionConflictError says which session, and why", () => {
  const error = new SessionConflictError("0123456789abcdef");
  assertEquals(error.sessionId, "0123456789abcdef");
  assertEquals(
    error.message,
    "Cannot commit session 0123456789abcdef: another request has changed it since it was opened",
  );
});

Deno.test("SessionLockTimeoutError says which file, and how long", () => {
  const error = new SessionLockTimeoutError("sessions/0123456789abcdef", 250);
  assertEquals(error.timeout, 250);
  assertEquals(
    error.message,
    "Cannot lock sessions/0123456789abcdef: still held elsewhere after 250 ms",
  );
});

Deno.test("SessionDirectoryError says which directory, and why", () => {
  const cause = new Error("cause");
  const error = new SessionDirectoryError("sessions", "it is missing", {
    cause,
  });
  assertEquals(error.directory, "sessions");
  assertEquals(error.cause, cause);
  assertEquals(
    error.message,
    "Cannot keep sessions in sessions: it is missing",
  );
  assertEquals("cause" in new SessionDirectoryError("sessions", "x"), false);
});

Deno.test("errors have no properties beyond the content of their messages", () => {
  const own = (error: Error) =>
    Object.getOwnPropertyNames(error).filter((key) => key !== "stack").sort();
  assertEquals(own(new SessionGoneError("0123456789abcdef")), [
    "message",
    "name",
    "sessionId",
  ]);
  assertEquals(own(new SessionConflictError("0123456789abcdef")), [
    "message",
    "name",
    "sessionId",
  ]);
  assertEquals(own(new SessionLockTimeoutError("sessions/x", 1)), [
    "message",
    "name",
    "timeout",
  ]);
  assertEquals(own(new SessionDirectoryError("sessions", "it is missing")), [
    "directory",
    "message",
    "name",
  ]);
});
