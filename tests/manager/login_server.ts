/**
 * A server as a process of its own, at which a user signs in and resets the
 * password. A login can be held between the check of its password and its
 * commit. The password is a file, which all servers of one directory share.
 */

import { SessionRevokedError } from "../../src/core/errors.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { type Child, spawn } from "../spawn.ts";
import { Meeting } from "./session_server.ts";

/** How many logins are held: the servers wait for exactly as many. */
export const HELD = 99;

const USER = "ann";

/** What a login does between the check and its end: profile, audit log. */
function workOn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

/** A running server. */
export class LoginServer implements AsyncDisposable {
  readonly #process: Child;
  readonly #origin: string;

  private constructor(process: Child, origin: string) {
    this.#process = process;
    this.#origin = origin;
  }

  /** Starts one on a directory. */
  static async start(directory: string): Promise<LoginServer> {
    const process = spawn("tests/manager/login_server.ts", [directory], {
      paths: [directory],
      flags: ["--allow-net=127.0.0.1"],
    });
    const port = await process.readLine();
    if (port !== undefined) {
      return new LoginServer(process, `http://127.0.0.1:${port}`);
    }
    throw new Error(
      `A server has not started: ${(await process.end()).stderr}`,
    );
  }

  /** Asks for a path, with a whole `Cookie` header. */
  get(path: string, cookie?: string): Promise<Response> {
    const headers = cookie === undefined ? {} : { cookie };
    return fetch(this.#origin + path, { headers });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

async function serve(directory: string): Promise<void> {
  const store = new DirectorySessionStore(`${directory}/sessions`, {
    create: true,
  });
  await store.setup();
  const manager = new SessionManager({ store });
  const passwordFile = `${directory}/password`;
  const signIn = async (
    session: Session,
    given: string,
    work: () => Promise<void>,
  ): Promise<Response> => {
    const password = await Deno.readTextFile(passwordFile);
    if (given !== password) return new Response(null, { status: 403 });
    await work();
    session.setUser(USER);
    return new Response();
  };
  // The held logins, and the request that waits for them or lets them go.
  const checked = new Meeting(HELD + 1);
  const released = new Meeting(HELD + 1);
  const acts: Record<string, (session: Session, given: string) => unknown> = {
    "/user": (session) => session.user,
    "/sessions": async () => (await manager.sessionsOf(USER)).length,
    "/login": (session, given) => signIn(session, given, workOn),
    "/held-login": (session, given) =>
      signIn(session, given, async () => {
        await checked.arrive();
        await released.arrive();
      }),
    "/begin-login": (session) => manager.beginLogin(session, USER),
    "/revoke": () => manager.revokeUser(USER),
    "/reset": async (session, given) => {
      await Deno.writeTextFile(passwordFile, given);
      await manager.revokeUser(USER, { except: session });
      session.setUser(USER);
    },
    "/checked": () => checked.arrive(),
    "/release": () => released.arrive(),
  };
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen: ({ port }) => console.log(port),
      onError: (error) => {
        if (!(error instanceof SessionRevokedError)) throw error;
        return new Response(null, { status: 401 });
      },
    },
    manager.handler(async (request, session) => {
      const { pathname, searchParams } = new URL(request.url);
      const given = searchParams.get("password") ?? "";
      const result = await acts[pathname]!(session, given);
      return result instanceof Response
        ? result
        : Response.json(result ?? null);
    }),
  );
  for await (const _ of Deno.stdin.readable);
  await server.shutdown();
}

if (import.meta.main) await serve(Deno.args[0]!);
