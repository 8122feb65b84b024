/**
 * A session's whole life, from its beginning through login, rotation, refusals
 * and failures to its end; and then a search of all that it left: each byte in
 * the directory, each line on the console, each error, event and warning, and
 * what `Deno.inspect` and JSON make of every object that an application has in
 * its hands. The secrets of its cookies are in none of them.
 */

import { assert, assertRejects, assertThrows } from "@std/assert";
import { SessionGoneError } from "../../src/core/errors.ts";
import { hashSecret } from "../../src/core/token.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { SessionManagerOptions } from "../../src/manager/manager_options.ts";
import { Session } from "../../src/session/session.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { System } from "../../src/system/system.ts";
import { replaceSystem } from "../replaced_system.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { cookieOf, type Data } from "./set_up.ts";

const SERVER_SECRET = "a secret of the server's own, long enough for it";
const PRIVATE = "a-very-private-thing";
const ROTATE_EVERY = 60_000;
const GRACE = 30_000;
const CONSOLE = ["debug", "error", "info", "log", "trace", "warn"] as const;

/** What is written to the console until the end of the block. */
class ConsoleRecord implements Disposable {
  readonly lines: string[] = [];
  readonly #real = CONSOLE.map((name) => console[name]);

  constructor() {
    for (const name of CONSOLE) {
      console[name] = (...values: unknown[]) => {
        this.lines.push(values.map(show).join(" "));
      };
    }
  }

  [Symbol.dispose](): void {
    for (const [i, name] of CONSOLE.entries()) console[name] = this.#real[i]!;
  }
}

/** All that a generic inspection of a value shows. */
function show(value: unknown): string {
  const inspected = Deno.inspect(value, {
    depth: 20,
    iterableLimit: 1_000,
    showHidden: true,
    getters: true,
    strAbbreviateSize: 1_000_000,
  });
  const stack = value instanceof Error ? value.stack : "";
  return [inspected, stack, String(value), JSON.stringify(value)].join("\n");
}

/** A life, and what is known of it afterwards. */
class Life implements Disposable {
  readonly #directory = new TemporaryDirectory();
  readonly #console = new ConsoleRecord();
  readonly store: DirectorySessionStore;
  readonly manager: SessionManager<Data>;
  /** What the application was handed, as text. */
  readonly seen: string[] = [];
  /** What is in the browser, and must be nowhere else. */
  readonly secrets: Set<string> = new Set();
  now: number = Date.now();

  constructor(options: Partial<SessionManagerOptions>) {
    this.store = new DirectorySessionStore(this.#directory.path);
    this.manager = new SessionManager<Data>({
      store: this.store,
      rotateEvery: ROTATE_EVERY,
      rotateGrace: GRACE,
      now: () => this.now,
      onEvent: (event) => this.see(event, console.error(event)),
      ...options,
    });
    this.see(this.store);
    this.see(this.manager);
  }

  [Symbol.dispose](): void {
    this.#console[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }

  get path(): string {
    return this.#directory.path;
  }

  see(...values: readonly unknown[]): void {
    for (const value of values) this.seen.push(show(value));
  }

  async open(cookie?: string): Promise<Session<Data>> {
    const headers = cookie === undefined ? undefined : { cookie };
    const request = new Request("http://localhost/", {
      headers: headers ?? {},
    });
    const session = await this.manager.open(request);
    this.see(session, [...session.keys()], session.id);
    return session;
  }

  /** Commits; what goes into the cookie goes into no other header. */
  async commit(session: Session<Data>): Promise<string | undefined> {
    const headers = new Headers();
    await this.manager.commit(session, headers);
    this.see(session);
    this.look();
    if (headers.getSetCookie().length === 0) return undefined;
    const cookie = cookieOf(headers);
    headers.delete("set-cookie");
    this.see([...headers]);
    if (cookie !== "latchkey=") this.secrets.add(cookie.slice(-22));
    return cookie;
  }

  async fail(act: () => Promise<unknown>): Promise<unknown> {
    const error = await assertRejects(act);
    this.see(error);
    console.error(error);
    return error;
  }

  /** Keeps what lies in the directory now. */
  look(): void {
    for (const name of this.#directory.listFiles()) {
      const bytes = Deno.readFileSync(this.#directory.join(name));
      this.seen.push(name, new TextDecoder("latin1").decode(bytes));
    }
  }

  /** All that was seen anywhere, and all that lies there now. */
  everything(): string {
    this.look();
    return [...this.seen, ...this.#console.lines].join("\n");
  }
}

/** A text, and its bytes in every way in which they might be written down. */
function spellings(secret: string): string[] {
  const bytes = Uint8Array.fromBase64(secret, { alphabet: "base64url" });
  const encoded = new TextEncoder().encode(secret);
  return [
    secret,
    bytes.toHex(),
    bytes.toBase64(),
    String.fromCharCode(...bytes),
    [...bytes].join(", "),
    [...bytes].join(","),
    encoded.toHex(),
    encoded.toBase64().replaceAll("=", ""),
  ];
}

/** Lives it; returns the form token that it used. */
async function live(life: Life): Promise<string> {
  // Begun, and changed.
  const first = await life.open();
  first.set("cart", [PRIVATE]);
  first.flash("notice", PRIVATE);
  let token = first.createFormToken();
  const begun = (await life.commit(first))!;

  // Logged in, while another request is under way: that one is refused.
  const late = await life.open(begun);
  const login = await life.open(begun);
  login.setUser("ann");
  const signedIn = (await life.commit(login))!;
  late.set("n", 1);
  assert(await life.fail(() => life.commit(late)) instanceof SessionGoneError);
  await life.manager.run(
    new Request("http://localhost/", { headers: { cookie: signedIn } }),
    async (session) => {
      const other = await life.open(signedIn);
      other.regenerate();
      token = other.createFormToken();
      await life.commit(other);
      session.set("n", 2);
      life.see(session);
      return new Response();
    },
  );
  const current = `latchkey=${first.id}${[...life.secrets].at(-1)}`;

  // Rotated; used in the grace, and after it.
  life.now += ROTATE_EVERY;
  const rotated = (await life.commit(await life.open(current)))!;
  await life.commit(await life.open(current));
  await life.commit(await life.open(rotated));
  const post = await life.open(rotated);
  assert(await life.manager.consumeFormToken(post, token));
  life.now += GRACE;
  assert((await life.open(current)).isNew);

  // Misused, in every way that has a message.
  const session = await life.open(rotated);
  assertThrows(() => session.set("cart", [() => PRIVATE] as never));
  session.set("cart", ["x".repeat(17 * 1024 * 1024)]);
  await life.fail(() => life.commit(session));
  await life.fail(() => life.commit(new Session<Data>()));
  assert(!await life.manager.hasSession(rotated));
  assert(!await life.manager.expire(rotated));
  assert((await life.open(rotated.slice(0, -1))).isNew);
  assert((await life.open(`${rotated}x`)).isNew);

  // The disk fails, at each call that a change makes.
  for (
    const call of ["open", "write", "overwrite", "rename", "link"] as const
  ) {
    const fail = (...args: unknown[]) => {
      throw new Deno.errors.PermissionDenied(`${call} ${args.join(" ")}`);
    };
    using _broken = replaceSystem({ [call]: fail } as Partial<System>);
    const session = await life.open(rotated).catch((error) => life.see(error));
    if (session === undefined) continue;
    session.set("n", 3);
    session.regenerate();
    try {
      await life.commit(session);
    } catch (error) {
      life.see(error);
    }
  }
  life.look();

  // Held by another process for too long.
  const held = Deno.openSync(`${life.path}/${session.id}`, { read: true });
  held.lockSync(true);
  using _patience = replaceSystem({
    wait: () => Promise.resolve(),
    monotonic: (() => {
      let ms = 0;
      return () => ms += 1_000;
    })(),
  });
  await life.fail(() => life.manager.expire(session.id));
  held.unlockSync();
  held.close();

  // Unreadable: reported on the console, and set aside.
  const copy = Deno.readFileSync(`${life.path}/${session.id}`);
  Deno.truncateSync(`${life.path}/${session.id}`, 100);
  assert((await life.open(rotated)).isNew);
  life.look();
  Deno.writeFileSync(`${life.path}/${session.id}`, copy, { mode: 0o600 });
  return token;
}

const WAYS: Readonly<Record<string, Partial<SessionManagerOptions>>> = {
  "in clear": {},
  "sealed": { seal: true, secrets: [SERVER_SECRET] },
};

for (const [way, options] of Object.entries(WAYS)) {
  Deno.test(`in a session's whole life its secrets are in no file, line, error, event or inspection (${way})`, async () => {
    using life = new Life(options);
    const token = await live(life);
    const text = life.everything();

    assert(life.secrets.size >= 4, `${life.secrets.size} secrets`);
    for (const secret of life.secrets) {
      // It is its record that was searched.
      for (const spelling of spellings(secret)) {
        assert(!text.includes(spelling), `found as ${spelling}`);
      }
    }
    const [first] = life.secrets;
    assert(text.includes(hashSecret(first!)), "the search finds nothing");
    assert(text.includes("unreadable"), "nobody was warned");
    assert(text.includes("reused"), "nobody was told");
    assert(!text.includes(SERVER_SECRET));
    if (options.seal) {
      for (const hidden of [PRIVATE, token, "notice"]) {
        assert(!text.includes(hidden), `found ${hidden}`);
      }
    }
  });
}
