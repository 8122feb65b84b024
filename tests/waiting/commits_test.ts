/** 1,000 requests of one process commit to one session at once. */

import { assert, assertEquals } from "@std/assert";
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { startProcess } from "../directory/clients.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

const FLOWS = 1_000;
/** Much more than the flows need: 128 KiB for each. */
const MOST_MEMORY = 128 * 1024 * 1024;

/** A manager, and the cookie of a session whose `n` is 0. */
class Visitor {
  readonly #manager: SessionManager<{ n: number }>;
  #cookie = "";
  /** The number of commits so far. */
  commits = 0;
  /** The most memory that was seen, in bytes. */
  memory = 0;

  constructor(directory: string) {
    this.#manager = new SessionManager<{ n: number }>({
      store: new DirectorySessionStore(directory, { lockTimeout: Infinity }),
    });
  }

  /** Begins the session, and returns its ID. */
  async begin(): Promise<string> {
    let id = "";
    const response = await this.#manager.run(this.#request(), (session) => {
      session.set("n", 0);
      id = session.id;
      return new Response();
    });
    this.#cookie = response.headers.getSetCookie()[0]!.split(";", 1)[0]!;
    return id;
  }

  /** Adds 1; every flow has read the same number before. */
  async add(): Promise<void> {
    const session = await this.#manager.open(this.#request());
    session.update("n", (n = 0) => n + 1);
    await this.#manager.commit(session, new Headers());
    this.commits++;
    this.measure();
  }

  async read(): Promise<number | undefined> {
    return (await this.#manager.open(this.#request())).get("n");
  }

  /** All memory that the system has given to this process: heap, stacks, buffers. */
  measure(): void {
    this.memory = Math.max(this.memory, Deno.memoryUsage().rss);
  }

  #request(): Request {
    const headers = { cookie: this.#cookie };
    return new Request("http://localhost/", { headers });
  }
}

async function addMany(visitor: Visitor): Promise<void> {
  await Promise.all(Array.from({ length: FLOWS }, () => visitor.add()));
}

function tell(visitor: Visitor, before: number, what: string): void {
  const grown = visitor.memory - before;
  console.log(
    `${FLOWS} commits ${what}: ${(grown / 1024 / 1024).toFixed(1)} MiB more`,
  );
  assert(grown < MOST_MEMORY, `${grown} bytes`);
}

Deno.test("1,000 flows commit to one session at once, and none is lost", async () => {
  using directory = new TemporaryDirectory();
  const visitor = new Visitor(directory.path);
  const id = await visitor.begin();
  visitor.measure();
  const before = visitor.memory;
  await addMany(visitor);
  assertEquals(await visitor.read(), FLOWS);
  assertEquals(directory.list(), [".latchkey", id]);
  tell(visitor, before, "at once");
});

Deno.test("1,000 flows that wait for a held session commit when it is free", async () => {
  using directory = new TemporaryDirectory();
  const visitor = new Visitor(directory.path);
  const id = await visitor.begin();
  const path = directory.join(id);
  await using holder = await startProcess({ act: "hold", path });
  visitor.measure();
  const before = visitor.memory;
  const added = addMany(visitor);
  // Every flow has begun.
  await new Promise(setImmediate);
  visitor.measure();
  assertEquals(visitor.commits, 0, "a flow has not waited");
  await holder.kill();
  await added;
  assertEquals(await visitor.read(), FLOWS);
  assertEquals(directory.list(), [".latchkey", id]);
  tell(visitor, before, "after waiting");
});
