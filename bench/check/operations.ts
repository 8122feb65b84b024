import { createHash } from "node:crypto";
import type { SessionRecord } from "../../src/core/record.ts";
import { createSecret, hashSecret } from "../../src/core/token.ts";
import { SessionManager } from "../../src/manager/manager.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { makeDataSet } from "../data_set.ts";
import { Floors } from "../floors.ts";
import { repeat, type Side } from "../growth/alternate.ts";
import type { OperationName } from "./limits.ts";

const COOKIE = "session=";
const ID_LENGTH = 32;
/** How many sessions are created before they are deleted again. */
const BATCH = 20;

/** What the sessions hold, as far as it is looked at. */
interface Data {
  readonly visits: number;
  readonly theme: string;
}

/** An operation, as the store and as the bare system calls do it. */
export interface Operation {
  readonly name: OperationName;
  readonly ours: Side;
  readonly floor: Side;
}

/**
 * Makes a thousand sessions of a size, and what is done to them.
 *
 * @param directory An empty directory of mode 0700.
 * @param size As for `makeDataSet`.
 */
export async function makeOperations(
  directory: string,
  size: number,
): Promise<readonly Operation[]> {
  const store = new DirectorySessionStore(directory);
  const floors = new Floors(directory);
  const secret = createSecret();
  const { ids, walk, ...set } = makeDataSet(size);
  const record = { ...set.record, secretHash: hashSecret(secret) };
  const requests = new Map<string, Request>();
  for (const id of ids) {
    await store.save(id, record);
    floors.create(id, record);
    const headers = { cookie: `${COOKIE}${id}${secret}` };
    requests.set(id, new Request("http://localhost/", { headers }));
  }

  const [next, nextBare] = [walk(), walk()];
  const request = () => requests.get(next())!;
  const requestBare = () => requests.get(nextBare())!;
  const touch = () => true;
  const manager = new SessionManager<Data>({ store });
  const created = Array.from(
    { length: BATCH },
    (_, n) => String(n).padStart(ID_LENGTH, "0"),
  );
  const create = (id: string) => store.create(id, record);
  const remove = (id: string) => store.delete(id);
  const createBare = (id: string) => floors.create(id, record);
  const removeBare = (id: string) => floors.delete(id);
  return [
    {
      name: "load",
      ours: repeat(() => store.load(next())),
      floor: repeat(() => floors.load(nextBare())),
    },
    {
      name: "load, touch",
      ours: repeat(() => store.load(next(), { touch })),
      floor: repeat(() => floors.loadAndTouch(nextBare(), touch)),
    },
    {
      name: "save",
      ours: repeat(() => store.save(next(), record)),
      floor: repeat(() => floors.save(nextBare(), record)),
    },
    {
      name: "update",
      ours: repeat(() => store.update(next(), visit)),
      floor: repeat(() => floors.update(nextBare(), visitBare)),
    },
    {
      name: "create",
      ours: timeEach(created, create, undefined, remove),
      floor: timeEach(created, createBare, undefined, removeBare),
    },
    {
      name: "delete",
      ours: timeEach(created, remove, create, undefined),
      floor: timeEach(created, removeBare, createBare, undefined),
    },
    {
      name: "request that reads",
      ours: repeat(() =>
        manager.run(request(), (session) => {
          session.get("theme");
          return new Response();
        })
      ),
      floor: repeat(() =>
        answerBare(requestBare(), (id) => floors.loadAndTouch(id, () => false))
      ),
    },
    {
      name: "request that changes",
      ours: repeat(() =>
        manager.run(request(), (session) => {
          session.update("visits", (visits = 0) => visits + 1);
          return new Response();
        })
      ),
      floor: repeat(() =>
        answerBare(requestBare(), (id) => floors.update(id, visitBare))
      ),
    },
  ];
}

/** What a handler without any library does: cookie, SHA-256, the bare calls. */
function answerBare(request: Request, act: (id: string) => unknown): Response {
  const token = request.headers.get("cookie")!.slice(COOKIE.length);
  createHash("sha256").update(token.slice(ID_LENGTH)).digest("hex");
  act(token.slice(0, ID_LENGTH));
  return new Response();
}

function visit(record: SessionRecord): SessionRecord {
  const { data } = record;
  return { ...record, data: { ...data, visits: data.visits as number + 1 } };
}

function visitBare(value: unknown): unknown {
  return visit(value as SessionRecord);
}

/** Times one step for each ID; what comes before and after is not timed. */
function timeEach(
  ids: readonly string[],
  step: (id: string) => unknown,
  before: ((id: string) => unknown) | undefined,
  after: ((id: string) => unknown) | undefined,
): Side {
  return {
    operations: ids.length,
    batch: async () => {
      if (before !== undefined) { for (const id of ids) await before(id); }
      const start = performance.now();
      for (const id of ids) {
        const result = step(id);
        if (result instanceof Promise) await result;
      }
      const spent = performance.now() - start;
      if (after !== undefined) { for (const id of ids) await after(id); }
      return spent;
    },
  };
}
