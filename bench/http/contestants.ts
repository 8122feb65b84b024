import type { JsonObject } from "../../src/core/record.ts";
import type { Profile } from "../harness/benchmark.ts";

/** What is done to a session at every request. */
export const ACTIONS = ["read", "change"] as const;
/** One of these. */
export type Action = typeof ACTIONS[number];

/** What a session holds: what a small shop keeps, and by what it is judged. */
export interface Visit extends JsonObject {
  readonly owner: string;
  /** How often it was changed. */
  readonly count: number;
}

/** Answers one request. */
export type Handler = (request: Request) => Response | Promise<Response>;

/**
 * What a contestant answers with. Each handler gets a port of its own, so that
 * none of them has to look at the path.
 *
 * `read` and `change` answer with `OWNER COUNT`, or with a status from 400 on.
 */
export interface Handlers {
  /** Makes a session of the visit in the request's body, and gives its cookie. */
  readonly make: Handler;
  readonly read: Handler;
  /** Adds one to the session's count. */
  readonly change: Handler;
}

/** Opens a contestant in a directory that is there. */
export type Open = (directory: string) => Handlers | Promise<Handlers>;

/** What `read` and `change` answer. */
export function describe({ owner, count }: Visit): string {
  return `${owner} ${count}`;
}

/** A contestant, and how it is started. */
export interface Contestant extends Profile {
  /** The file in `servers/`; that of Deno exports `open`. */
  readonly module: string;
  readonly runtime: "Deno" | "Node";
  readonly actions: readonly Action[];
  /**
   * Where its files are. `by hand` shares our directory, since on ext4 the same
   * rename costs more in one directory than in the one beside it; a directory
   * takes one of `Floors` and no more.
   */
  readonly directory: string;
}

const DENO = {
  runtime: "Deno",
  packages: {},
  actions: ACTIONS,
  directory: "ours",
} as const;

/** All of them, in the order of their turns. */
export const CONTESTANTS: readonly Contestant[] = [
  {
    ...DENO,
    name: "Deno.serve alone",
    kind: "bare",
    note: "answers a constant",
    module: "bare.ts",
    actions: ["read"],
  },
  {
    ...DENO,
    name: "by hand",
    kind: "floor",
    note: "reads the cookie, hashes the secret, `load` of `bench/floors.ts`, " +
      "compares the hash; to change, then its `update`, which writes over the " +
      "file that was replaced the last time: that one owns its blocks",
    module: "by_hand.ts",
  },
  {
    ...DENO,
    name: "by hand, new files",
    kind: "floor",
    note:
      "the same, but to change, then its `saveAfresh`, a new file each time",
    module: "by_hand_afresh.ts",
    actions: ["change"],
    directory: "by_hand_afresh",
  },
  {
    ...DENO,
    name: "@latchkey/session",
    kind: "ours",
    note: "`SessionManager.handler` over `DirectorySessionStore`, an " +
      "`idleTimeout` of 30 minutes as in the README, else defaults",
    module: "latchkey.ts",
  },
  {
    name: "express-session + session-file-store",
    kind: "peer",
    note: "Express, `NODE_ENV=production`, `resave: false` and " +
      "`saveUninitialized: false`, else defaults; it touches at every " +
      "request, which reads the file, writes it anew and renames; no lock",
    module: "express.js",
    runtime: "Node",
    actions: ACTIONS,
    packages: {
      "express": "5.3.0",
      "express-session": "1.19.0",
      "session-file-store": "1.5.0",
    },
    directory: "express",
  },
  {
    ...DENO,
    name: "@hono/session + unstorage",
    kind: "peer",
    note: "the middleware of Hono's own collection has no store over files, " +
      "so one over the `fs` driver of `unstorage`, as its examples do it; " +
      "the cookie is encrypted; it answers before the write is done; " +
      "truncates in place, no lock",
    module: "hono_session.js",
    packages: {
      "hono": "4.13.19",
      "@hono/session": "0.2.1",
      "unstorage": "1.17.6",
    },
    directory: "hono_session",
  },
  {
    ...DENO,
    name: "hono-sessions + unstorage",
    kind: "peer",
    note: "it has no store over files either, so one over the `fs` driver of " +
      "`unstorage`; its defaults write the access time at every request; " +
      "truncates in place, no lock",
    module: "hono_sessions.js",
    packages: {
      "hono": "4.13.19",
      "hono-sessions": "0.8.1",
      "unstorage": "1.17.6",
    },
    directory: "hono_sessions",
  },
];
