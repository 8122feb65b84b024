import type { Action } from "./contestant.ts";

/** Who takes part. */
export interface Contestant {
  /** What the tables call it. */
  readonly name: string;
  /** `bare`, a server and nothing else; `floor`, `ours`, or a peer. */
  readonly kind: "bare" | "floor" | "ours" | "peer";
  /** What its users should know of how it was set up. */
  readonly note: string;
  /** The module in `servers/`. */
  readonly module: string;
  /** What executes it. */
  readonly runtime: "Deno" | "Node";
  /** What it is measured at. */
  readonly actions: readonly Action[];
  /** The packages that it loads, each with its exact version. */
  readonly packages: Readonly<Record<string, string>>;
  /**
   * Where its files are. `by hand` shares our directory, since on ext4 the same
   * rename costs more in one directory than in the one beside it; a directory
   * takes one of `Floors` and no more.
   */
  readonly directory: string;
}

const DENO = { runtime: "Deno", packages: {} } as const;

/** All of them, in the order of their turns. */
export const CONTESTANTS: readonly Contestant[] = [
  {
    ...DENO,
    name: "Deno.serve alone",
    kind: "bare",
    note: "answers a constant",
    module: "bare",
    actions: ["read"],
    directory: "ours",
  },
  {
    ...DENO,
    name: "by hand",
    kind: "floor",
    note: "reads the cookie, hashes the secret, `load` of `bench/floors.ts`, " +
      "compares the hash; to change, then its `update`, which writes over the " +
      "file that was replaced the last time: that one owns its blocks",
    module: "by_hand",
    actions: ["read", "change"],
    directory: "ours",
  },
  {
    ...DENO,
    name: "by hand, new files",
    kind: "floor",
    note:
      "the same, but to change, then its `saveAfresh`, a new file each time",
    module: "by_hand_afresh",
    actions: ["change"],
    directory: "by_hand_afresh",
  },
  {
    ...DENO,
    name: "@latchkey/session",
    kind: "ours",
    note: "`SessionManager.handler` over `DirectorySessionStore`, defaults",
    module: "latchkey",
    actions: ["read", "change"],
    directory: "ours",
  },
  {
    name: "express-session + session-file-store",
    kind: "peer",
    note: "Express, `NODE_ENV=production`, `resave: false` and " +
      "`saveUninitialized: false`, else defaults; it touches at every " +
      "request, which reads the file, writes it anew and renames; no lock",
    module: "express",
    runtime: "Node",
    actions: ["read", "change"],
    packages: {
      "express": "5.3.0",
      "express-session": "1.19.0",
      "session-file-store": "1.5.0",
    },
    directory: "express",
  },
  {
    name: "@hono/session + unstorage",
    kind: "peer",
    note: "the middleware of Hono's own collection has no store over files, " +
      "so one over the `fs` driver of `unstorage`, as its examples do it; " +
      "the cookie is encrypted; it answers before the write is done; " +
      "truncates in place, no lock",
    module: "hono_session",
    runtime: "Deno",
    actions: ["read", "change"],
    packages: {
      "hono": "4.13.19",
      "@hono/session": "0.2.1",
      "unstorage": "1.17.6",
    },
    directory: "hono_session",
  },
  {
    name: "hono-sessions + unstorage",
    kind: "peer",
    note: "it has no store over files either, so one over the `fs` driver of " +
      "`unstorage`; its defaults write the access time at every request; " +
      "truncates in place, no lock",
    module: "hono_sessions",
    runtime: "Deno",
    actions: ["read", "change"],
    packages: {
      "hono": "4.13.19",
      "hono-sessions": "0.8.1",
      "unstorage": "1.17.6",
    },
    directory: "hono_sessions",
  },
];
