import { assertEquals } from "@std/assert";
import * as module from "../mod.ts";

Deno.test("mod.ts exports these values and no others", () => {
  assertEquals(Object.keys(module).sort(), [
    "DirectorySessionStore",
    "EngineSessionStore",
    "KEEP",
    "KvSessionStore",
    "MemorySessionStore",
    "MigratingSessionStore",
    "PostgresSessionStore",
    "RedisSessionStore",
    "Session",
    "SessionConflictError",
    "SessionDataError",
    "SessionDirectoryError",
    "SessionError",
    "SessionFormatError",
    "SessionGoneError",
    "SessionLockTimeoutError",
    "SessionManager",
    "SessionRevokedError",
    "SessionStoreError",
    "SessionStoreTimeoutError",
    "SessionTooLargeError",
    "SessionUnreadableError",
    "SqliteSessionStore",
    "expressSessions",
    "fastifySessions",
    "honoSessions",
    "isCrossOrigin",
    "migrateSessions",
    "oakSessions",
    "reactRouterSessionStorage",
    "reactRouterSessions",
    "signIn",
  ]);
});
