/**
 * What the table of docs/stores.md says of a directory whose medium is not well: the
 * answers to a request that reads, one that changes its session, and a logout.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { SessionStoreError } from "../../src/core/errors.ts";
import { revocationId } from "../../src/core/revocation.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { HOUR, USER } from "../constants.ts";
import { SmallDisk } from "../faults/small_disk.ts";

type Data = { text: string };
type Act = (session: Session<Data>) => void;

const READ: Act = () => {};
const CHANGE: Act = (session) => session.set("text", "changed");
const GROW: Act = (session) => session.set("text", "x".repeat(50_000));
const LOGIN: Act = (session) => session.setUser(USER);
const LOGOUT: Act = (session) => session.destroy();
/** What a request that found no session answers. */
const NO_SESSION = "no session";

const obstacle = SmallDisk.findObstacle();

/** A server whose sessions are on a disk of its own; each touch is due. */
class Scene implements Disposable {
  readonly disk: SmallDisk;
  readonly store: DirectorySessionStore;
  readonly manager: SessionManager<Data>;

  constructor(limits = "size=1m") {
    this.disk = new SmallDisk(limits);
    const directory = `${this.disk.path}/sessions`;
    const options = { create: true, onWarning: () => {} };
    this.store = new DirectorySessionStore(directory, options);
    const { store } = this;
    const idleTimeout = HOUR;
    this.manager = new SessionManager({ store, idleTimeout, touchAfter: 0 });
  }

  /** Sends a request; the user whose session it found, or the error's name. */
  async request(cookie: string, act: Act, isExclusive = false) {
    const request = new Request("http://localhost/", { headers: { cookie } });
    const isolation = isExclusive ? "exclusive" : "merge";
    try {
      const response = await this.manager.run(request, (session) => {
        const found = session.user ?? NO_SESSION;
        act(session);
        return new Response(found);
      }, { isolation });
      return await response.text();
    } catch (error) {
      return (error as Error).message.match(/\(os error \d+\)/)?.[0] ??
        (error as Error).name;
    }
  }

  /** Signs in; its cookie. */
  async signIn(): Promise<string> {
    const session = await this.manager.open(new Request("http://localhost/"));
    session.setUser(USER);
    const headers = new Headers();
    await this.manager.commit(session, headers);
    return headers.get("set-cookie")!.split(";")[0]!;
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
    this.disk[Symbol.dispose]();
  }
}

function testRow(name: string, fn: () => Promise<void>): void {
  const skipped = obstacle === undefined ? "" : ` (skipped: ${obstacle})`;
  const ignore = obstacle !== undefined;
  Deno.test({ name: `a broken medium: ${name}${skipped}`, ignore, fn });
}

testRow(
  "a full disk answers reads, refuses what does not fit, and a logout succeeds",
  async () => {
    using scene = new Scene("size=128k");
    const cookie = await scene.signIn();
    await scene.request(cookie, CHANGE);
    try {
      for (let n = 0;; n++) {
        Deno.writeFileSync(`${scene.disk.path}/${n}.txt`, new Uint8Array(4096));
      }
    } catch {
      // It is full.
    }
    await assertRejects(() =>
      scene.store.save("a".repeat(32), { data: {}, createdAt: 1 })
    );
    assertEquals(await scene.request(cookie, READ), USER);
    // It fits into the file that was replaced last.
    assertEquals(await scene.request(cookie, CHANGE), USER);
    assertEquals(await scene.request(cookie, GROW), "(os error 28)");
    assertEquals(await scene.request(cookie, READ), USER);
    assertEquals(await scene.request(cookie, LOGOUT), USER);
    assertEquals(await scene.request(cookie, READ), NO_SESSION);
  },
);

testRow(
  "a read-only disk answers reads, and refuses a change, a logout, and what is exclusive",
  async () => {
    using scene = new Scene();
    const cookie = await scene.signIn();
    scene.disk.remount("ro");
    assertEquals(await scene.request(cookie, READ), USER);
    assertEquals(await scene.request(cookie, CHANGE), "(os error 30)");
    assertEquals(await scene.request(cookie, LOGOUT), "(os error 30)");
    assertEquals(await scene.request(cookie, READ, true), "(os error 30)");
    scene.disk.remount("rw");
    assertEquals(await scene.request(cookie, READ), USER);
  },
);

testRow(
  "an emptied directory has no session, and a change begins one and marks it again",
  async () => {
    using scene = new Scene();
    const { directory } = scene.store;
    const cookie = await scene.signIn();
    for (const { name } of Deno.readDirSync(directory)) {
      Deno.removeSync(`${directory}/${name}`, { recursive: true });
    }
    assertEquals(await scene.request(cookie, READ), NO_SESSION);
    assertEquals(await scene.request(cookie, LOGOUT), NO_SESSION);
    assertEquals(await scene.request(cookie, CHANGE), NO_SESSION);
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    assertEquals(names.length, 2);
    assertEquals(names.includes(".latchkey"), true);
  },
);

testRow(
  "on another device no session is found, none begins, and a logout fails",
  async () => {
    using scene = new Scene();
    const cookie = await scene.signIn();
    const brought = new Request("http://localhost/", { headers: { cookie } });
    const session = await scene.manager.open(brought);
    {
      using _over = scene.disk.mountOver("sessions");
      assertEquals(await scene.request(cookie, READ), NO_SESSION);
      for (const act of [CHANGE, LOGIN, LOGOUT]) {
        const answer = await scene.request(cookie, act);
        assertEquals(answer, "SessionDirectoryError");
      }
      session.destroy();
      await assertRejects(() => scene.manager.commit(session, new Headers()));
      await assertRejects(() => scene.store.check(), SessionStoreError);
    }
    assertEquals(await scene.request(cookie, READ), USER);
  },
);

testRow(
  "a revocation that cannot be read leaves its user no session and no login",
  async () => {
    using scene = new Scene();
    const cookie = await scene.signIn();
    const mark = `${scene.store.directory}/${revocationId(USER)}`;
    Deno.writeTextFileSync(mark, "unreadable");
    assertEquals(await scene.request(cookie, READ), NO_SESSION);
    assertEquals(await scene.request(cookie, CHANGE), NO_SESSION);
    assertEquals(await scene.request("", LOGIN), "SessionUnreadableError");
    assertEquals(await scene.request(cookie, LOGOUT), NO_SESSION);
  },
);
