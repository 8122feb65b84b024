/**
 * Logins in one process against a revocation in another: two servers on one
 * directory, and the real clock.
 */

import { assert, assertEquals } from "@std/assert";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { HELD, LoginServer } from "./login_server.ts";
import { cookieIn } from "./set_up.ts";

const MANY = 200;
const FLOWS = 20;

/** By how much the clocks of two processes may differ, in milliseconds. */
const SLACK = 1_000;

/** What a request was answered with. */
interface Answer {
  readonly status: number;
  /** The `Cookie` header for the next request, if a cookie was set. */
  readonly cookie: string | undefined;
}

/** Runs a test at two servers of a user whose password is "old". */
function test(
  title: string,
  run: (one: LoginServer, other: LoginServer) => Promise<void>,
): void {
  Deno.test(title, async () => {
    using directory = new TemporaryDirectory();
    await Deno.writeTextFile(directory.join("password"), "old");
    await using one = await LoginServer.start(directory.path);
    await using other = await LoginServer.start(directory.path);
    await run(one, other);
  });
}

async function ask(
  server: LoginServer,
  path: string,
  cookie?: string,
): Promise<Answer> {
  const response = await server.get(path, cookie);
  await response.body?.cancel();
  const [header] = response.headers.getSetCookie();
  return { status: response.status, cookie: header && cookieIn(header) };
}

function askAll(
  server: LoginServer,
  path: string,
  count: number,
): Promise<Answer[]> {
  const places = Array.from({ length: count });
  return Promise.all(places.map(() => ask(server, path)));
}

/** What a path answers. */
async function read(
  server: LoginServer,
  path: string,
  cookie?: string,
): Promise<unknown> {
  return await (await server.get(path, cookie)).json();
}

/**
 * Sends logins with the old password, and waits until all were checked.
 *
 * @returns What lets them go on, and gives their answers.
 */
async function holdLogins(
  server: LoginServer,
): Promise<() => Promise<Answer[]>> {
  const answers = askAll(server, "/held-login?password=old", HELD);
  await read(server, "/checked");
  return async () => {
    await read(server, "/release");
    return await answers;
  };
}

test(
  "no login that is under way in one process outlives a revocation in another",
  async (one, other) => {
    // One process counts more revocations than the other.
    for (let time = 0; time < 3; time++) await read(one, "/revoke");
    const before = await ask(one, "/login?password=old");
    const goOn = await holdLogins(one);
    const reset = await ask(other, "/reset?password=new");
    const refused: Answer = { status: 401, cookie: undefined };
    assertEquals(await goOn(), Array<Answer>(HELD).fill(refused));
    assertEquals(await read(one, "/user", before.cookie), null);
    for (const server of [one, other]) {
      assertEquals(await read(server, "/user", reset.cookie), "ann");
      assertEquals(await read(server, "/sessions"), 1);
    }
  },
);

test(
  "of logins without a pause in one process none outlives a revocation in another",
  async (one, other) => {
    const answers: Answer[] = [];
    const hasBegun = Promise.withResolvers<void>();
    const logins = Promise.all(Array.from({ length: FLOWS }, async () => {
      for (;;) {
        const answer = await ask(one, "/login?password=old");
        if (answer.status === 403) break;
        if (answers.push(answer) === MANY) hasBegun.resolve();
      }
    }));
    await hasBegun.promise;
    const reset = await ask(other, "/reset?password=new");
    await logins;
    for (const { status, cookie } of answers) {
      assertEquals(status, cookie === undefined ? 401 : 200);
      if (cookie === undefined) continue;
      assertEquals(await read(one, "/user", cookie), null);
    }
    assertEquals(await read(one, "/user", reset.cookie), "ann");
    assertEquals(await read(one, "/sessions"), 1);
  },
);

test(
  "no login is refused in the process that has just reset the password",
  async (one, other) => {
    const goOn = await holdLogins(one);
    const reset = await ask(other, "/reset?password=new");
    const logins = await askAll(other, "/login?password=new", MANY);
    for (const { status } of await goOn()) assertEquals(status, 401);
    for (const { status, cookie } of [reset, ...logins]) {
      assertEquals(status, 200);
      assertEquals(await read(one, "/user", cookie), "ann");
    }
    assertEquals(await read(one, "/sessions"), MANY + 1);
  },
);

test(
  "no login is refused in another process that begins a second after a revocation",
  async (one, other) => {
    await ask(other, "/reset?password=new");
    await waitUntil(Date.now() + SLACK);
    for (
      const { status, cookie } of await askAll(one, "/login?password=new", MANY)
    ) {
      assertEquals(status, 200);
      assert(cookie !== undefined);
    }
    assertEquals(await read(one, "/sessions"), MANY + 1);
  },
);

test(
  "beginLogin() tells logins in another process from a revocation without a clock",
  async (one, other) => {
    const early = await askAll(one, "/begin-login", MANY);
    await ask(other, "/reset?password=new");
    const late = await askAll(one, "/begin-login", MANY);
    const login = (begun: readonly Answer[]) =>
      Promise.all(
        begun.map(({ cookie }) => ask(one, "/login?password=new", cookie)),
      );
    for (const { status } of await login(early)) assertEquals(status, 401);
    for (const { status } of await login(late)) assertEquals(status, 200);
  },
);

/** Waits for the clock: a timer may fire a little before its time. */
async function waitUntil(time: number): Promise<void> {
  for (let left; (left = time - Date.now()) > 0;) {
    await new Promise((resolve) => setTimeout(resolve, left));
  }
}
