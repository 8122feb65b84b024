/**
 * The operations of a store and of a manager: how each is called, and what it
 * does to a session. The rooms that try every operation take them from here:
 * orders and histories judge by what it does, faults and the contract call it.
 */

import type { SessionRecord } from "../src/core/record.ts";
import type { SessionStore, StoreOptions } from "../src/core/store.ts";
import type { SessionManager } from "../src/manager/manager.ts";
import type { SessionManagerOptions } from "../src/manager/manager_options.ts";
import type { Session } from "../src/session/session.ts";
import { ID, recordOf, USER } from "./constants.ts";

/** The arguments of a store's operation; each uses some of them. */
export interface StoreCall {
  readonly store: SessionStore;
  /** The session; without it, `ID`. */
  readonly id?: string;
  /** The record to save or create. */
  readonly record?: SessionRecord;
  /** The change of an update. */
  readonly change?: (record: SessionRecord) => SessionRecord;
  /** After how many minutes without an access a cleanup deletes. */
  readonly minutes?: number;
  readonly options?: StoreOptions;
}

/** The session afterwards. */
export type Fate =
  | "kept"
  | "accessed"
  /** It has the given record, whatever there was before. */
  | "replaced"
  /** It has the changed record. */
  | "changed"
  | "deleted";

/** The answer. */
export type Reply =
  | boolean
  /** The record that was found. */
  | "found"
  /** The record that is left. */
  | "left"
  /** `null`: it was deleted. */
  | "deleted"
  /** `undefined`: there is no session. */
  | "missing"
  /** `undefined`, in any case. */
  | "done";

/** The effect of an operation on a session, and its answer. */
export interface Effect {
  readonly fate: Fate;
  readonly reply: Reply;
}

/** An operation of a store on one session. */
interface StoreOperation {
  call(call: StoreCall): Promise<unknown>;
  /** On a session that has not expired. */
  readonly live: Effect;
  /** On one that is missing or has expired. */
  readonly missing: Effect;
}

/** The name of an operation of a store on one session. */
export type StoreOperationName =
  | "load"
  | "load+touch"
  | "touch"
  | "has"
  | "save"
  | "create"
  | "update"
  | "update that deletes"
  | "delete";

const NOTHING: Effect = { fate: "kept", reply: "missing" };
const FALSE: Effect = { fate: "kept", reply: false };

/** The operations of a store on one session. */
export const STORE_OPERATIONS: Readonly<
  Record<StoreOperationName, StoreOperation>
> = {
  load: {
    call: ({ store, id = ID, options }) => store.load(id, options),
    live: { fate: "kept", reply: "found" },
    missing: NOTHING,
  },
  "load+touch": {
    call: ({ store, id = ID, options }) =>
      store.load(id, { ...options, touch: () => true }),
    live: { fate: "accessed", reply: "found" },
    missing: NOTHING,
  },
  touch: {
    call: ({ store, id = ID, options }) => store.touch(id, options),
    live: { fate: "accessed", reply: true },
    missing: FALSE,
  },
  has: {
    call: ({ store, id = ID, options }) => store.has(id, options),
    live: { fate: "kept", reply: true },
    missing: FALSE,
  },
  save: {
    call: ({ store, id = ID, record = recordOf(), options }) =>
      store.save(id, record, options),
    live: { fate: "replaced", reply: "done" },
    missing: { fate: "replaced", reply: "done" },
  },
  create: {
    call: ({ store, id = ID, record = recordOf(), options }) =>
      store.create(id, record, options),
    live: FALSE,
    missing: { fate: "replaced", reply: true },
  },
  update: {
    call: ({ store, id = ID, change = (record) => record, options }) =>
      store.update(id, change, options),
    live: { fate: "changed", reply: "left" },
    missing: NOTHING,
  },
  "update that deletes": {
    call: ({ store, id = ID, options }) =>
      store.update(id, () => undefined, options),
    live: { fate: "deleted", reply: "deleted" },
    missing: NOTHING,
  },
  delete: {
    call: ({ store, id = ID, options }) => store.delete(id, options),
    live: { fate: "deleted", reply: true },
    // The record of an expired session is deleted, too.
    missing: { fate: "deleted", reply: false },
  },
};

/** The name of an operation of a store on all its sessions. */
type ListingName = "entries" | "entries of a user" | "cleanup";

/** The operations of a store on all its sessions. */
export const LISTINGS: Readonly<
  Record<ListingName, (call: StoreCall) => Promise<unknown>>
> = {
  entries: ({ store, options }) => Array.fromAsync(store.entries(options)),
  "entries of a user": ({ store, options }) =>
    Array.fromAsync(store.entries({ ...options, user: USER })),
  cleanup: ({ store, minutes = 0, options }) =>
    store.deleteOldSessions(minutes, options),
};

/** The name of an operation of a store. */
export type CallName = StoreOperationName | ListingName;

/** Calls an operation of a store by its name. */
export function callStore(name: CallName, call: StoreCall): Promise<unknown> {
  return name in LISTINGS
    ? LISTINGS[name as ListingName](call)
    : STORE_OPERATIONS[name as StoreOperationName].call(call);
}

/** Returns the answer of an operation. */
export function answerOf<T>(
  reply: Reply,
  found: T,
  left: T,
): T | boolean | null | undefined {
  switch (reply) {
    case "found":
      return found;
    case "left":
      return left;
    case "deleted":
      return null;
    case "missing":
    case "done":
      return undefined;
    default:
      return reply;
  }
}

/** What the handler of a request does with its session. */
interface RequestOperation {
  /** It may leave out what it is given to write. */
  handle<Data extends object>(
    session: Session<Data>,
    write: (session: Session<Data>) => void,
  ): void;
  /** The manager's options, where it takes certain ones. */
  readonly options?: Partial<SessionManagerOptions>;
  /** The session afterwards, if the request has its secret. */
  readonly fate: Fate;
  /** Whether the session gets a new secret. */
  readonly isRenewed?: boolean;
  /** The user afterwards, if that is another one; `null` for none. */
  readonly user?: string | null;
}

/** The name of what a request does. */
export type RequestName =
  | "read"
  | "commit"
  | "exclusive"
  | "regenerate"
  | "login"
  | "logout"
  | "destroy";

/** What a request does with a session that it has opened. */
export const REQUESTS: Readonly<Record<RequestName, RequestOperation>> = {
  read: {
    handle: (session) => void [...session.entries()],
    fate: "kept",
  },
  commit: {
    handle: (session, write) => write(session),
    fate: "changed",
  },
  exclusive: {
    handle: (session, write) => write(session),
    options: { isolation: "exclusive" },
    fate: "changed",
  },
  regenerate: {
    handle: (session) => session.regenerate(),
    fate: "kept",
    isRenewed: true,
  },
  login: {
    // Also of one in which the user is signed in: the password was asked again.
    handle: (session) => session.setUser(USER),
    fate: "kept",
    isRenewed: true,
    user: USER,
  },
  logout: {
    handle: (session) => {
      session.setUser(null);
      // Also of one without a user.
      session.regenerate();
    },
    fate: "kept",
    isRenewed: true,
    user: null,
  },
  destroy: {
    handle: (session) => session.destroy(),
    fate: "deleted",
  },
};

/** The name of an operation of a manager on all sessions of a user. */
export type UserOperationName = "revoke" | "revoke all but it" | "list";

/** The operations of a manager on all sessions of `USER`. */
export const USER_OPERATIONS: Readonly<
  Record<
    UserOperationName,
    <Data extends object>(manager: SessionManager<Data>) => Promise<unknown>
  >
> = {
  revoke: (manager) => manager.revokeUser(USER),
  "revoke all but it": (manager) => manager.revokeUser(USER, { except: ID }),
  list: async (manager) =>
    (await manager.sessionsOf(USER)).map(({ id }) => id).sort(),
};
