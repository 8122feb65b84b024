import type { OpenOptions } from "../manager/isolation.ts";
import type { SessionManager } from "../manager/manager.ts";
import { type Session, stateOf } from "../session/session.ts";

/**
 * A session as `createSession` of React Router has it, for
 * {@linkcode reactRouterSessionStorage}.
 *
 * @typeParam Data The keys and what they hold.
 * @typeParam FlashData The keys of flash messages and what they hold.
 */
export interface ReactRouterSession<
  Data extends object,
  FlashData extends object = Data,
> {
  /** The session itself: for `setUser`, `update`, `regenerate` and the rest. */
  readonly session: Session<Data>;
  /** The session ID. It opens nothing. */
  readonly id: string;
  /** A copy of all keys and their values, without flash messages. */
  readonly data: Partial<Data>;
  /** Tells whether a key has a value or a flash message. */
  has(name: (keyof Data | keyof FlashData) & string): boolean;
  /**
   * Gets the value of a key or, where it has none, the flash message that an
   * earlier request left there. Once the session is committed, that is removed.
   */
  get<Key extends (keyof Data | keyof FlashData) & string>(
    name: Key,
  ):
    | (Key extends keyof Data ? Data[Key] : undefined)
    | (Key extends keyof FlashData ? FlashData[Key] : undefined)
    | undefined;
  /** Sets a key. */
  set<Key extends keyof Data & string>(name: Key, value: Data[Key]): void;
  /** Leaves a flash message for a later request. */
  flash<Key extends keyof FlashData & string>(
    name: Key,
    value: FlashData[Key],
  ): void;
  /** Deletes a key, and the flash message that an earlier request left there. */
  unset(name: (keyof Data | keyof FlashData) & string): void;
}

/**
 * Makes a middleware for React Router: version 8, and 7.9 or newer with the flag
 * `v8_middleware`. It opens the session before loaders and actions run, and
 * commits it when they have answered, as {@linkcode SessionManager.run} does: with
 * nothing due it sends nothing, and after an error it saves nothing.
 *
 * Loaders, actions and other middlewares get the session with
 * `context.get(session.context)`. A document that is streamed can read it, and
 * no longer change it.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 * @param sessions The manager.
 * @param options How the session of each of its requests is opened.
 * @returns The middleware, with its key in `context`. It is for the root route.
 *
 * @example The root route and a loader
 * ```ts ignore
 * // app/session.ts
 * export const session = reactRouterSessions(sessions);
 *
 * // app/root.tsx
 * export const middleware: Route.MiddlewareFunction[] = [session];
 *
 * // app/routes/cart.tsx
 * export function loader({ context }: Route.LoaderArgs) {
 *   return { cart: context.get(session.context).get("cart") };
 * }
 * ```
 */
export function reactRouterSessions<Data extends object>(
  sessions: SessionManager<Data>,
  options?: OpenOptions,
):
  & ((
    args: {
      readonly request: Request;
      readonly context: {
        set(key: { defaultValue?: Session<Data> }, value: Session<Data>): void;
      };
    },
    next: () => Promise<unknown>,
  ) => Promise<Response>)
  & { readonly context: { defaultValue?: Session<Data> } } {
  const context: { defaultValue?: Session<Data> } = {};
  return Object.assign(
    (
      args: {
        readonly request: Request;
        readonly context: {
          set(key: typeof context, value: Session<Data>): void;
        };
      },
      next: () => Promise<unknown>,
    ) =>
      sessions.run(args.request, async (session) => {
        args.context.set(context, session);
        return await next() as Response;
      }, options),
    { context },
  );
}

/**
 * Makes what React Router calls a session storage, for applications that have
 * `getSession`, `commitSession` and `destroySession` in their loaders and actions.
 * New ones do better with {@linkcode reactRouterSessions}: it also sends
 * `Vary: Cookie` and `Cache-Control: no-store`, knows from the request whether the
 * cookie is to be `Secure`, and cannot be forgotten in a loader.
 *
 * - `commitSession` resolves to `""` when no cookie is due. Browsers ignore an
 *   empty `Set-Cookie` header. The options of `commitSession` in React Router do
 *   not exist: lifetime and cookie are options of the manager, and
 *   `session.session.setLifetime` is for a single session.
 * - The cookie is `Secure`, unless the manager has `secure: false`, or trusts a
 *   proxy that says `http`.
 * - To sign in, call `session.session.setUser(user)` instead of setting a key: the
 *   browser then gets a new cookie, and the old one is no longer valid.
 * - What `commitSession` does not commit is not saved, also a flash message that
 *   was read. It throws what `commit` of the manager throws.
 *
 * @typeParam Data The keys of the sessions and what they hold.
 * @typeParam FlashData The keys of flash messages and what they hold.
 * @param sessions The manager. If its requests are `exclusive`, a
 * session has to be committed before it can be opened again.
 * @returns The three functions, to be exported from `app/sessions.server.ts`.
 *
 * @example A login
 * ```ts
 * import {
 *   MemorySessionStore,
 *   reactRouterSessionStorage,
 *   SessionManager,
 * } from "@latchkey/session";
 * import { assertEquals } from "@std/assert";
 *
 * const { getSession, commitSession } = reactRouterSessionStorage(
 *   new SessionManager<{ theme: string }>({ store: new MemorySessionStore() }),
 * );
 * const session = await getSession(null); // request.headers.get("Cookie")
 * session.session.setUser("ann");
 * session.set("theme", "dark");
 * const cookie = await commitSession(session); // for a Set-Cookie header
 *
 * const next = await getSession(cookie.split(";")[0]);
 * assertEquals(next.get("theme"), "dark");
 * assertEquals(await commitSession(next), "");
 * ```
 */
export function reactRouterSessionStorage<
  Data extends object,
  FlashData extends object = Data,
>(sessions: SessionManager<Data>): {
  /** Opens the session of a `Cookie` header, or a new one. */
  getSession(
    cookieHeader?: string | null,
  ): Promise<ReactRouterSession<Data, FlashData>>;
  /** Saves what was done to a session; the `Set-Cookie` header, or `""`. */
  commitSession(
    session: Omit<ReactRouterSession<Data, FlashData>, "session">,
  ): Promise<string>;
  /** Ends a session; the `Set-Cookie` header that clears its cookie, or `""`. */
  destroySession(
    session: Omit<ReactRouterSession<Data, FlashData>, "session">,
  ): Promise<string>;
} {
  const commit = async (session: Session<Data>): Promise<string> => {
    const headers = new Headers();
    await sessions.commit(session, headers);
    return headers.get("set-cookie") ?? "";
  };
  return {
    getSession: async (cookieHeader = null) => {
      const get = (name: string) => name === "cookie" ? cookieHeader : null;
      const session = await sessions.open({ headers: { get } });
      return new StoredReactRouterSession<Data, FlashData>(session);
    },
    commitSession: async (session) => await commit(sessionIn(session)),
    destroySession: async (session) => {
      const own = sessionIn<Data>(session);
      own.destroy();
      return await commit(own);
    },
  };
}

class StoredReactRouterSession<
  Data extends object,
  FlashData extends object,
> implements ReactRouterSession<Data, FlashData> {
  readonly session: Session<Data>;

  constructor(session: Session<Data>) {
    this.session = session;
  }

  get id(): string {
    return this.session.id;
  }

  get data(): Partial<Data> {
    return Object.fromEntries(this.session.entries()) as Partial<Data>;
  }

  has(name: string): boolean {
    const { data, flash } = stateOf(this.session).read();
    return data.has(name) || flash.has(name);
  }

  get(name: string): never {
    const { data, flash } = stateOf(this.session).read();
    if (data.has(name)) return data.get(name) as never;
    // A flash that is read changes the session, and one that is missing must not.
    return (flash.has(name) ? this.session.flash(name) : undefined) as never;
  }

  set<Key extends keyof Data & string>(name: Key, value: Data[Key]): void {
    stateOf(this.session).write().data.set(name, value);
  }

  flash<Key extends keyof FlashData & string>(
    name: Key,
    value: FlashData[Key],
  ): void {
    stateOf(this.session).write().flash.leave(name, value);
  }

  unset(name: string): void {
    const { data, flash } = stateOf(this.session).write();
    data.delete(name);
    flash.read(name);
  }
}

function sessionIn<Data extends object>(session: object): Session<Data> {
  if (session instanceof StoredReactRouterSession) return session.session;
  throw new TypeError(
    "Cannot commit the session: getSession of this storage did not open it",
  );
}
