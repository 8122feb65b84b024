/**
 * Server-side HTTP sessions for Deno, one file each, that no request, process
 * or crash can lose, tear, revive or hand to the wrong person.
 *
 * A {@linkcode SessionManager} gives each request its {@linkcode Session} and
 * keeps what the request did to it in a {@linkcode SessionStore}:
 * {@linkcode DirectorySessionStore} for any number of processes on a machine
 * ({@linkcode SqliteSessionStore} on Windows), {@linkcode MemorySessionStore} for
 * tests.
 *
 * Run as a program it is the command line: `cleanup` deletes old sessions,
 * `migrate` moves them from a directory to SQLite.
 *
 * @example A server that counts your visits
 * ```ts ignore
 * import { DirectorySessionStore, SessionManager } from "@latchkey/session";
 *
 * const sessions = new SessionManager<{ visits: number }>({
 *   store: new DirectorySessionStore("./sessions", { create: true }),
 *   idleTimeout: 30 * 60 * 1000,
 * });
 *
 * Deno.serve(sessions.handler((_request, session) => {
 *   const visits = session.update("visits", (n = 0) => n + 1);
 *   return new Response(`Visit ${visits}\n`);
 * }));
 * ```
 *
 * @module
 */

import { MODULE_URL } from "./src/core/module_url.ts";

// Requests
export { Session } from "./src/session/session.ts";
export { SessionManager } from "./src/manager/manager.ts";
export { isCrossOrigin } from "./src/http/cross_origin.ts";
export type { CookieOptions } from "./src/http/cookie.ts";
export type { CrossOriginOptions } from "./src/http/cross_origin.ts";
export type {
  SessionDataOptions,
  TypesOf,
} from "./src/manager/data_options.ts";
export type {
  IsolationLevel,
  IsolationOptions,
  OpenOptions,
  SessionCounters,
} from "./src/manager/isolation.ts";
export type { SessionLifetime, SetOptions } from "./src/session/lifetime.ts";
export type { NoAsyncFunction, NoPromise } from "./src/session/session.ts";
export type { SessionRequest, TransportOption } from "./src/http/transport.ts";
export type { RevokeUserOptions, UserSession } from "./src/manager/users.ts";
export type { SessionManagerOptions } from "./src/manager/manager_options.ts";
export type {
  SecretReusedEvent,
  SessionAmbiguousEvent,
  SessionEvent,
  SessionInvalidEvent,
  SessionMisconfiguredEvent,
  SessionRefusedEvent,
  SessionUnendedEvent,
  SessionUnopenableEvent,
  SessionUnrotatedEvent,
} from "./src/manager/events.ts";
export type {
  SessionOptions,
  StoredSession,
} from "./src/session/session_state.ts";
export type {
  SchemaOf,
  SchemaResult,
  StandardSchema,
} from "./src/manager/standard_schema.ts";
export type { TypesCodec } from "./src/session/value_format.ts";

// Tests of applications
export { signIn } from "./src/manager/sign_in.ts";

// Frameworks
export { expressSessions } from "./src/frameworks/express.ts";
export { fastifySessions } from "./src/frameworks/fastify.ts";
export { honoSessions } from "./src/frameworks/hono.ts";
export { oakSessions } from "./src/frameworks/oak.ts";
export {
  reactRouterSessions,
  reactRouterSessionStorage,
} from "./src/frameworks/react_router.ts";
export type { ReactRouterSession } from "./src/frameworks/react_router.ts";
export type { SessionOf } from "./src/frameworks/session_of.ts";

// Stores
export { DirectorySessionStore } from "./src/directory/directory_store.ts";
export { MemorySessionStore } from "./src/engines/memory.ts";
export type { DirectorySessionStoreOptions } from "./src/directory/directory_store.ts";

// From one store to another
export { migrateSessions } from "./src/migration/move_session.ts";
export { MigratingSessionStore } from "./src/migration/migrating_store.ts";
export type { MigratingStoreOptions } from "./src/migration/migrating_store.ts";
export type { MigrationOptions } from "./src/migration/move_session.ts";

// Stores on engines
export { KvSessionStore } from "./src/engines/kv.ts";
export { PostgresSessionStore } from "./src/engines/postgres.ts";
export { RedisSessionStore } from "./src/engines/redis.ts";
export { SqliteSessionStore } from "./src/engines/sqlite.ts";
export type { KvDatabase, KvSessionStoreOptions } from "./src/engines/kv.ts";
export type { PostgresClient } from "./src/engines/postgres_client.ts";
export type { PostgresSessionStoreOptions } from "./src/engines/postgres.ts";
export type { RedisClient } from "./src/engines/redis_client.ts";
export type { RedisSessionStoreOptions } from "./src/engines/redis.ts";
export type {
  SqliteDatabase,
  SqliteSessionStoreOptions,
} from "./src/engines/sqlite.ts";
export { EngineSessionStore } from "./src/engines/engine_store.ts";
export type { EngineStoreOptions } from "./src/engines/engine_store.ts";
export type {
  EngineAccess,
  EngineCleaner,
  EngineRow,
  NewEngineRow,
  OldSessions,
  SessionEngine,
} from "./src/engines/session_engine.ts";

// The contract of a store
export { KEEP } from "./src/core/store.ts";
export type {
  CleanupOptions,
  CleanupResult,
  CreateOptions,
  Durability,
  EntriesOptions,
  HeldLock,
  LoadOptions,
  LockOptions,
  RecordChange,
  SessionStore,
  StoreOptions,
  StoreWarning,
  UpdateOptions,
} from "./src/core/store.ts";
export type {
  JsonObject,
  JsonValue,
  SessionRecord,
} from "./src/core/record.ts";

// Errors
export {
  SessionConflictError,
  SessionDataError,
  SessionDirectoryError,
  SessionError,
  SessionFormatError,
  SessionGoneError,
  SessionLockTimeoutError,
  SessionRevokedError,
  SessionStoreError,
  SessionStoreTimeoutError,
  SessionTooLargeError,
  SessionUnreadableError,
} from "./src/core/errors.ts";

// In a bundle `import.meta.main` is true for every module that it holds.
if (
  import.meta.main && /\/mod\.[jt]s$/.test(import.meta.url) &&
  import.meta.url !== MODULE_URL
) {
  const { main } = await import("./src/cli/main.ts");
  Deno.exit(await main(Deno.args));
}
