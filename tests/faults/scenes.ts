/*
 * Every operation, in every state of the directory that it may find: the tests
 * of this room kill or fail each of them. A scene has the files before, the
 * operation, its answer, and the files after.
 *
 * The files are compared as text: see `directory_state.ts`.
 */
import { assert } from "@std/assert";
import { encodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { revocationId } from "../../src/core/revocation.ts";
import type { SessionStore } from "../../src/core/store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import { sealRecord } from "../../src/manager/sealed_record.ts";
import type { Session } from "../../src/session/session.ts";
import { temporaryPath } from "../../src/directory/layout.ts";
import {
  dropRecycled,
  recycledFiles,
} from "../../src/directory/atomic_file.ts";
import {
  DirectorySessionStore,
  type DirectorySessionStoreOptions,
} from "../../src/directory/directory_store.ts";
import {
  HOUR,
  ID,
  OTHER_ID,
  recordOf,
  requestOf,
  SEALING,
  SECRET,
  SECRET_HASH,
  USER,
} from "../constants.ts";
import {
  type CallName,
  callStore,
  type RequestName,
  REQUESTS,
  type StoreCall,
  USER_OPERATIONS,
  type UserOperationName,
} from "../operations.ts";

/** How long a temporary file is kept, in milliseconds. */
export const TEMPORARY_FOR: number = HOUR;

const CREATED = Date.UTC(2024, 0, 1);
const FOR_EVER = Date.UTC(2100, 0, 1);
/** The last access of the files before: long ago. */
export const LONG_AGO: number = Date.UTC(2024, 0, 2);

/** The record that a session begins with, with a number to tell it by. */
export function sessionOf(
  n: number,
  rest: Partial<SessionRecord> = {},
): SessionRecord {
  return recordOf({ n }, {
    createdAt: CREATED,
    expiresAt: FOR_EVER,
    secretHash: SECRET_HASH,
    ...rest,
  });
}

/** An operation, and the directory that it finds. */
export interface Scene {
  readonly title: string;
  /** The files before, by their names; last accessed long ago. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Stale entries of the index of users, by the names of their sessions. */
  readonly staleEntries?: readonly string[];
  /** Whether to begin without an index of users, whatever sessions there are. */
  readonly isWithoutIndex?: boolean;
  /** Whether to begin without a directory. */
  readonly isWithoutDirectory?: boolean;
  /** Whether it changes what is on the disk, which `"power"` does otherwise. */
  readonly isChange?: boolean;
  run(store: DirectorySessionStore): Promise<unknown>;
  /** Its answer, as JSON holds it. */
  readonly answer: unknown;
  /** The files after, as `describeDirectory` describes them. */
  readonly after: Readonly<Record<string, string>>;
  /** The bytes of the process's recycled file, if it has one. Not for `power`. */
  readonly recycled?: Uint8Array;
  /** The file that changes before any other, by its name in `after`. */
  readonly first?: string;
  /** The files between its two steps, if it has two. */
  readonly between?: Readonly<Record<string, string>>;
}

/** The store of a scene; its warnings are of no interest. */
export function openStore(
  directory: string,
  scene: Scene,
  options: DirectorySessionStoreOptions = {},
): DirectorySessionStore {
  return new DirectorySessionStore(directory, {
    onWarning: () => {},
    create: scene.isWithoutDirectory ?? false,
    ...options,
  });
}

/** Puts the recycled file of a scene into a directory. */
export function layRecycled(directory: string, { recycled }: Scene): void {
  dropRecycled(directory);
  if (recycled === undefined) return;
  const path = temporaryPath(directory, Date.now(), RECYCLED_ID);
  Deno.writeFileSync(path, recycled, { mode: 0o600 });
}

/** Makes this process the owner of the recycled file in a directory, if there is one. */
export function takeOverRecycled(directory: string, { recycled }: Scene): void {
  recycledFiles.delete(directory);
  if (recycled === undefined) return;
  const [found] = [...Deno.readDirSync(directory)]
    .filter(({ name }) => name.endsWith(RECYCLED_ID));
  const path = `${directory}/${found!.name}`;
  const file = Deno.openSync(path, { read: true, write: true });
  assert(file.tryLockSync(true));
  recycledFiles.set(directory, { path, file });
}

/** Whether `durability: "power"` makes other calls in a scene. */
export function isForPower({ isChange, recycled }: Scene): boolean {
  return isChange === true && recycled === undefined;
}

/** Whether a scene begins before setup. */
export function isSetup({ title }: Scene): boolean {
  return title.startsWith("a setup");
}

const LIVE = { [ID]: encodeRecord(ID, sessionOf(1)) };
const EXPIRED = {
  [ID]: encodeRecord(ID, sessionOf(1, { expiresAt: LONG_AGO })),
};
const LONGER = encodeRecord(ID, { ...sessionOf(1), user: "x".repeat(1_000) });
const OWNER = { id: ID, secret: SECRET };
const SEALED = {
  [ID]: encodeRecord(ID, sealRecord(sessionOf(1), OWNER, SEALING)),
};
const SIGNED_IN = { [ID]: encodeRecord(ID, sessionOf(1, { user: USER })) };
const TWICE = {
  ...SIGNED_IN,
  [OTHER_ID]: encodeRecord(OTHER_ID, sessionOf(3, { user: USER })),
};
const USERS = {
  ...TWICE,
  "a-session-of-another-user": encodeRecord(
    "a-session-of-another-user",
    sessionOf(4, { user: "bob" }),
  ),
};
/** Another user's session, after any operation on the sessions of this one. */
const UNTOUCHED = { "a-session-of-another-user": "n=4, long ago" };
/** An earlier revocation. */
const REVOKED = {
  [revocationId(USER)]: encodeRecord(revocationId(USER), {
    data: { generation: 1 },
    createdAt: CREATED,
    expiresAt: FOR_EVER,
  }),
};
const UNREADABLE = { [ID]: LIVE[ID]!.subarray(0, 100) };
const FOREIGN = { [ID]: encodeRecord(OTHER_ID, sessionOf(1)) };
/** The random part in the name of the recycled file. */
const RECYCLED_ID = "5".repeat(32);
const ORPHAN = `.tmp-${String(LONG_AGO).padStart(15, "0")}-${ID}`;

const ANN = { user: USER };
const ANNS = { [ID]: encodeRecord(ID, sessionOf(1, ANN)) };
const login = (record: SessionRecord) => ({
  ...record,
  data: { n: 2 },
  ...ANN,
});

/** A manager that rotates the secret: its clock is past the interval. */
const ROTATION = { rotateEvery: 1, now: () => CREATED + 1 };
const SEAL = { seal: true, secrets: SEALING.secrets };

/** Runs requests, one after the other, with the session of `ID`. */
function request(
  names: readonly RequestName[],
  options: Partial<SessionManagerOptions> = {},
): Scene["run"] {
  return async (store) => {
    const set = (session: Session<{ n: number }>) => session.set("n", 2);
    const all = Object.assign(
      {},
      ...names.map((name) => REQUESTS[name].options),
    );
    const response = await run(store, requestOf(ID + SECRET), (session) => {
      for (const name of names) REQUESTS[name].handle(session, set);
    }, { ...all, ...options });
    return cookieOf(response);
  };
}

/** Runs one request, from its cookie to its `Set-Cookie`. */
async function run(
  store: SessionStore,
  request: Request,
  handle: (session: Session<{ n: number }>) => void,
  options: Partial<SessionManagerOptions> = {},
): Promise<Response> {
  // A rotation, or a removal, that failed is an event, and fails no request.
  const failures: unknown[] = [];
  const manager = new SessionManager<{ n: number }>({
    store,
    // Before the last access, so that a touch is due.
    now: () => CREATED,
    absoluteTimeout: FOR_EVER - CREATED,
    onEvent: (event) => {
      const { type } = event;
      if (type === "unrotated" || type === "unended") {
        failures.push(event.error);
      }
    },
    ...options,
  });
  const response = await manager.run(request, (session) => {
    handle(session);
    return new Response();
  });
  if (failures.length > 0) throw failures[0];
  return response;
}

/** Runs a request that begins a session. */
export async function beginSession(store: SessionStore): Promise<Response> {
  return await run(store, requestOf(), (session) => session.set("n", 2));
}

function cookieOf(response: Response): string {
  const [cookie] = response.headers.getSetCookie();
  if (cookie === undefined) return "no cookie";
  return cookie.startsWith("latchkey=;") ? "cookie cleared" : "cookie set";
}

/** Calls the manager for all sessions of the user. */
function manage(name: UserOperationName): Scene["run"] {
  return (store) => USER_OPERATIONS[name](new SessionManager({ store }));
}

/** Calls the store; of records, only the data is shown. */
function call(
  name: CallName,
  more: Omit<StoreCall, "store"> = {},
): Scene["run"] {
  const what = {
    record: sessionOf(2),
    change: (record: SessionRecord) => ({ ...record, data: { n: 2 } }),
    minutes: 30,
    ...more,
  };
  return async (store) => {
    const answer = await callStore(name, { store, ...what });
    if (Array.isArray(answer)) {
      return answer.map(([, { data }]) => data.n).sort();
    }
    const isRecord = typeof answer === "object" && answer !== null &&
      "data" in answer;
    return isRecord ? answer.data : answer ?? null;
  };
}

const WITHOUT_RECYCLED: readonly Scene[] = [
  {
    title: "a load",
    files: LIVE,
    run: call("load"),
    answer: { n: 1 },
    after: { [ID]: "n=1, long ago" },
  },
  {
    title: "a load of a session with an idle timeout",
    files: {
      [ID]: encodeRecord(ID, sessionOf(1, { idleTimeout: FOR_EVER })),
    },
    run: call("load"),
    answer: { n: 1 },
    after: { [ID]: "n=1, long ago" },
  },
  {
    title: "a load of a missing session",
    files: {},
    run: call("load"),
    answer: null,
    after: {},
  },
  {
    title: "a load of an expired session",
    files: EXPIRED,
    run: call("load"),
    answer: null,
    after: { [ID]: "n=1 expired, long ago" },
  },
  {
    title: "a load of an unreadable file",
    files: UNREADABLE,
    run: call("load"),
    answer: null,
    after: { [`${ID}.bad`]: "unreadable" },
  },
  {
    title: "a load of another session's file",
    files: FOREIGN,
    run: call("load"),
    answer: null,
    after: { [ID]: "foreign, long ago" },
  },
  {
    title: "a load that touches",
    files: LIVE,
    run: call("load+touch"),
    answer: { n: 1 },
    after: { [ID]: "n=1, now" },
  },
  {
    title: "a touch",
    files: LIVE,
    run: call("touch"),
    answer: true,
    after: { [ID]: "n=1, now" },
  },
  {
    title: "a save over a session",
    files: LIVE,
    isChange: true,
    run: call("save"),
    answer: null,
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a save of a new session",
    files: {},
    isChange: true,
    run: call("save"),
    answer: null,
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a save over an unreadable file",
    files: UNREADABLE,
    run: call("save"),
    answer: null,
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a create",
    files: {},
    isChange: true,
    run: call("create"),
    answer: true,
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a create over an expired session",
    files: EXPIRED,
    isChange: true,
    run: call("create"),
    answer: true,
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a create of an ID that is taken",
    files: LIVE,
    isChange: true,
    run: call("create"),
    answer: false,
    after: { [ID]: "n=1, long ago" },
  },
  {
    title: "an update",
    files: LIVE,
    isChange: true,
    run: call("update"),
    answer: { n: 2 },
    after: { [ID]: "n=2, now" },
  },
  {
    title: "an update that deletes",
    files: LIVE,
    isChange: true,
    run: call("update that deletes"),
    answer: null,
    after: {},
  },
  {
    title: "a delete",
    files: LIVE,
    isChange: true,
    run: call("delete"),
    answer: true,
    after: {},
  },
  {
    title: "a cleanup",
    files: {
      ...EXPIRED,
      [OTHER_ID]: encodeRecord(OTHER_ID, sessionOf(3)),
      "unreadable-session": new Uint8Array(10),
      "set-aside-long-ago.bad": new Uint8Array(10),
      [ORPHAN]: LIVE[ID]!,
    },
    run: call("cleanup"),
    answer: { deleted: 1, remaining: 1, orphans: 2 },
    after: {
      [OTHER_ID]: "n=3, long ago",
      "unreadable-session.bad": "unreadable",
    },
  },
  {
    title: "entries",
    files: {
      ...LIVE,
      [OTHER_ID]: encodeRecord(OTHER_ID, sessionOf(3)),
      "unreadable-session": new Uint8Array(10),
    },
    run: call("entries"),
    answer: [1, 3],
    after: {
      [ID]: "n=1, long ago",
      [OTHER_ID]: "n=3, long ago",
      "unreadable-session.bad": "unreadable",
    },
  },
  {
    title: "entries of a user",
    files: {
      ...LIVE,
      [OTHER_ID]: encodeRecord(OTHER_ID, sessionOf(3, ANN)),
      "unreadable-session": new Uint8Array(10),
    },
    run: call("entries of a user"),
    answer: [3],
    after: {
      [ID]: "n=1, long ago",
      [OTHER_ID]: "n=3, long ago",
      "unreadable-session": "unreadable",
    },
  },
  {
    title: "a login",
    files: LIVE,
    isChange: true,
    run: call("update", { change: login }),
    answer: { n: 2 },
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a login of another user",
    files: { [ID]: encodeRecord(ID, sessionOf(1, { user: "bob" })) },
    isChange: true,
    run: call("update", { change: login }),
    answer: { n: 2 },
    after: { [ID]: "n=2, now" },
  },
  {
    title: "an update of a signed-in session",
    files: ANNS,
    isChange: true,
    run: call("update", { change: login }),
    answer: { n: 2 },
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a logout by an update",
    files: ANNS,
    isChange: true,
    run: call("update", {
      change: ({ user: _user, ...rest }) => ({ ...rest, data: { n: 2 } }),
    }),
    answer: { n: 2 },
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a save over a session, with a user",
    files: LIVE,
    isChange: true,
    run: call("save", { record: sessionOf(2, ANN) }),
    answer: null,
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a save of a new session, with a user",
    files: {},
    isChange: true,
    run: call("save", { record: sessionOf(2, ANN) }),
    answer: null,
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a create, with a user",
    files: {},
    isChange: true,
    run: call("create", { record: sessionOf(2, ANN) }),
    answer: true,
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a create of an ID that is taken, with a user",
    files: LIVE,
    isChange: true,
    run: call("create", { record: sessionOf(2, ANN) }),
    answer: false,
    after: { [ID]: "n=1, long ago" },
  },
  {
    title: "a delete of a signed-in session",
    files: ANNS,
    isChange: true,
    run: call("delete"),
    answer: true,
    after: {},
  },
  {
    title: "an update that deletes a signed-in session",
    files: ANNS,
    isChange: true,
    run: call("update that deletes"),
    answer: null,
    after: {},
  },
  {
    title: "a cleanup of signed-in sessions",
    files: {
      [ID]: encodeRecord(ID, sessionOf(1, { ...ANN, expiresAt: LONG_AGO })),
      [OTHER_ID]: encodeRecord(OTHER_ID, sessionOf(3, ANN)),
    },
    staleEntries: [`00000000-${ID}`, `00000000-${OTHER_ID}`],
    run: call("cleanup"),
    answer: { deleted: 1, remaining: 1, orphans: 0 },
    after: { [OTHER_ID]: "n=3, long ago" },
  },
  {
    title: "a cleanup without an index",
    files: { [OTHER_ID]: encodeRecord(OTHER_ID, sessionOf(3, ANN)) },
    isWithoutIndex: true,
    run: call("cleanup"),
    answer: { deleted: 0, remaining: 1, orphans: 0 },
    after: { [OTHER_ID]: "n=3, long ago" },
  },
  {
    title: "a setup",
    files: LIVE,
    run: async (store) => (await store.setup(), null),
    answer: null,
    after: { [ID]: "n=1, long ago" },
  },
  {
    title: "a setup that makes the directory",
    files: {},
    isWithoutDirectory: true,
    run: async (store) => (await store.setup(), null),
    answer: null,
    after: {},
  },
  {
    title: "a request that reads",
    files: LIVE,
    run: request(["read"]),
    answer: "no cookie",
    after: { [ID]: "n=1, now" },
  },
  {
    title: "a request that begins a session",
    files: LIVE,
    isChange: true,
    run: async (store) => cookieOf(await beginSession(store)),
    answer: "cookie set",
    after: {
      [ID]: "n=1, long ago",
      "a new session": "n=2 of a new secret, now",
    },
  },
  {
    title: "a request that changes its session",
    files: LIVE,
    isChange: true,
    run: request(["commit"]),
    answer: "no cookie",
    between: { [ID]: "n=1, now" },
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a request that regenerates its session",
    files: LIVE,
    isChange: true,
    run: request(["commit", "regenerate"]),
    answer: "cookie set",
    between: { [ID]: "n=1, now" },
    after: { [ID]: "n=2 of a new secret, now" },
  },
  {
    title: "a request that rotates its session",
    files: LIVE,
    isChange: true,
    run: request(["read"], ROTATION),
    answer: "cookie set",
    between: { [ID]: "n=1, now" },
    after: { [ID]: "n=1 of a rotated secret, now" },
  },
  {
    title: "a request that changes a sealed session",
    files: SEALED,
    isChange: true,
    run: request(["commit"], SEAL),
    answer: "no cookie",
    between: { [ID]: "n=1 sealed, now" },
    after: { [ID]: "n=2 sealed, now" },
  },
  {
    title: "a request that rotates a sealed session",
    files: SEALED,
    isChange: true,
    run: request(["read"], { ...SEAL, ...ROTATION }),
    answer: "cookie set",
    between: { [ID]: "n=1 sealed, now" },
    after: { [ID]: "n=1 sealed of a rotated secret, now" },
  },
  {
    title: "a request that regenerates a sealed session",
    files: SEALED,
    isChange: true,
    run: request(["regenerate"], SEAL),
    answer: "cookie set",
    between: { [ID]: "n=1 sealed, now" },
    // The secret is not known here: whether it opens the seal, tests/orders shows.
    after: { [ID]: "n=? sealed of a new secret, now" },
  },
  {
    title: "a request that destroys its session",
    files: LIVE,
    isChange: true,
    run: request(["destroy"]),
    answer: "cookie cleared",
    between: { [ID]: "n=1, now" },
    after: {},
  },
  {
    title: "an exclusive request that changes its session",
    files: LIVE,
    isChange: true,
    run: request(["exclusive"]),
    answer: "no cookie",
    between: { [ID]: "n=1, now" },
    after: { [ID]: "n=2, now" },
  },
  {
    title: "a revocation",
    files: USERS,
    isChange: true,
    run: manage("revoke"),
    answer: 2,
    first: "a revocation",
    after: { "a revocation": "of a user, now", ...UNTOUCHED },
  },
  {
    title: "a revocation that spares a session",
    files: TWICE,
    isChange: true,
    run: manage("revoke all but it"),
    answer: 1,
    first: "a revocation",
    after: {
      "a revocation": "of a user, now",
      [ID]: "n=1, long ago",
    },
  },
  {
    title: "a revocation after another",
    files: { ...SIGNED_IN, ...REVOKED },
    isChange: true,
    run: manage("revoke"),
    answer: 1,
    first: "a revocation",
    after: { "a revocation": "of a user, now" },
  },
  {
    title: "a list of a user's sessions",
    files: USERS,
    run: manage("list"),
    answer: [ID, OTHER_ID],
    after: {
      [ID]: "n=1, long ago",
      [OTHER_ID]: "n=3, long ago",
      ...UNTOUCHED,
    },
  },
  {
    title: "a request of a session that was revoked and is still there",
    files: { ...SIGNED_IN, ...REVOKED },
    isChange: true,
    run: request(["read"]),
    answer: "no cookie",
    between: { [ID]: "n=1, now" },
    after: { "a revocation": "of a user, long ago" },
  },
  {
    title: "a request that logs in after a revocation",
    files: { ...LIVE, ...REVOKED },
    isChange: true,
    run: request(["login"]),
    answer: "cookie set",
    between: { [ID]: "n=1, now" },
    after: {
      "a revocation": "of a user, long ago",
      [ID]: "n=1 of a new secret, now",
    },
  },
];

/** Every operation; those that replace a file, also with a recycled file to do it with. */
export const SCENES: readonly Scene[] = [
  ...WITHOUT_RECYCLED,
  ...WITHOUT_RECYCLED.filter(isReplacing).flatMap((scene) => [
    {
      ...scene,
      title: `${scene.title}, into a recycled file`,
      recycled: LIVE[ID]!,
    },
    {
      ...scene,
      title: `${scene.title}, into a longer recycled file`,
      recycled: LONGER,
    },
  ]),
];

function isReplacing(scene: Scene): boolean {
  const { files, after } = scene;
  return !isSetup(scene) && ID in files &&
    after[ID]?.startsWith("n=2") === true;
}
