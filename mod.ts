/**
 * Server-side HTTP sessions for Deno: the browser holds a random token in a
 * cookie, the server the data and the user. Parallel requests keep what each of
 * them changed, and a session that has ended does not come back.
 *
 * Install it with `deno add jsr:@latchkey/session`. It needs `@std` alone: no
 * driver is loaded but the one that you pass in.
 *
 * @example A server with a login, and sessions in a directory
 * ```ts ignore
 * import { DirectorySessionStore, SessionManager } from "@latchkey/session";
 *
 * const sessions = new SessionManager<{ visits: number }>({
 *   store: new DirectorySessionStore("./sessions", { create: true }),
 *   idleTimeout: 30 * 60 * 1000, // ms
 * });
 *
 * Deno.serve(sessions.handler((request, session) => {
 *   const route = `${request.method} ${new URL(request.url).pathname}`;
 *   if (route === "POST /login") session.setUser("ann"); // after the password
 *   if (route === "POST /logout") session.destroy();
 *   const user = session.user ?? "not signed in";
 *   if (route !== "POST /visit") return new Response(user);
 *   const visits = session.update("visits", (n = 0) => n + 1);
 *   return new Response(`${user}: visit ${visits}`);
 * }));
 * ```
 *
 * `deno run --allow-net --allow-read=sessions --allow-write=sessions server.ts`
 * starts it. A session does more: {@linkcode Session} has flash messages, form
 * tokens and lifetimes, {@linkcode SessionManager} lists and revokes the sessions
 * of a user, and {@linkcode isCrossOrigin} refuses forged requests.
 *
 * | store | shared by | for |
 * | --- | --- | --- |
 * | {@linkcode DirectorySessionStore} | processes on a machine | most servers; not on Windows, needs Deno |
 * | {@linkcode SqliteSessionStore} | processes on a machine | Windows, and where a database is at hand |
 * | {@linkcode RedisSessionStore} | machines | `npm:redis` or `npm:ioredis` |
 * | {@linkcode PostgresSessionStore} | machines | `npm:pg` or `npm:postgres` |
 * | {@linkcode KvSessionStore} | processes on a machine | `Deno.Kv` |
 * | {@linkcode MemorySessionStore} | one process | tests |
 * | {@linkcode EngineSessionStore} | it depends | a {@linkcode SessionEngine} of your own |
 *
 * {@linkcode migrateSessions} and {@linkcode MigratingSessionStore} move sessions
 * from one to another. In Node 24 and Bun all but the directory and `Deno.Kv` work.
 *
 * | framework | to write |
 * | --- | --- |
 * | `Deno.serve`, Elysia, fetch-router, Fresh 2, h3 2, itty-router, Nitro 3, SvelteKit | `sessions.run(request, (session) => …)` |
 * | Hono 4 | `app.use(honoSessions(sessions))`, see {@linkcode honoSessions} |
 * | Oak 17 | `app.use(oakSessions(sessions))`, see {@linkcode oakSessions} |
 * | Express 5, Connect | `app.use(expressSessions(sessions))`, see {@linkcode expressSessions} |
 * | Fastify 5 | `app.register(fastifySessions(sessions))`, see {@linkcode fastifySessions} |
 * | React Router 7 and 8 | {@linkcode reactRouterSessions}, {@linkcode reactRouterSessionStorage} |
 *
 * In the tests of an application {@linkcode signIn} gives the cookie of a session
 * in which a user is signed in.
 *
 * Run as a program it is the command line, for all of these stores: `cleanup`,
 * `list`, `show`, `revoke`, `stats`, `doctor`, `migrate`, `export`, `import`; see
 * `docs/commands.md`.
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
export type {
  ObservationOptions,
  SessionOperation,
} from "./src/manager/operations.ts";
export type { RevokeUserOptions, UserSession } from "./src/manager/users.ts";
export type { DeviceBoundOptions } from "./src/manager/device_options.ts";
export type { SessionManagerOptions } from "./src/manager/manager_options.ts";
export type {
  RefreshSkippedEvent,
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

// Cleaning up
export { cleanUpEvery } from "./src/manager/clean_up_every.ts";
export type { CleanUpEveryOptions } from "./src/manager/clean_up_every.ts";

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
