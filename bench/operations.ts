import { createHash } from "node:crypto";
import type { SessionRecord } from "../src/core/record.ts";
import { createSecret, hashSecret } from "../src/core/token.ts";
import { SessionManager } from "../src/manager/manager.ts";
import { DirectorySessionStore } from "../src/directory/directory_store.ts";
import { MemorySessionStore } from "../src/engines/memory.ts";
import { makeDataSet } from "./data_set.ts";
import { Floors } from "./floors.ts";
import { makePrivate } from "./harness/benchmark.ts";
import type { Step } from "./harness/turns.ts";

const COOKIE = "latchkey=";
const ID_LENGTH = 32;
const DAY = 24 * 60 * 60 * 1000;

/** How many sessions are created and deleted in turn. */
const EXTRA = 20;

/** What the sessions hold, as far as it is looked at. */
interface Data {
  readonly visits: number;
  readonly theme: string;
}

/** An operation, as the bare system calls and the stores do it. */
export interface Operation {
  readonly floor: Step;
  /** The bare calls with a fresh file each time. */
  readonly afresh?: Step;
  readonly directory: Step;
  readonly memory?: Step;
}

/** What is compared with the bare system calls. */
export type OperationName =
  | "load"
  | "load and touch, not due"
  | "load and touch, due"
  | "save"
  | "update"
  | "create"
  | "delete"
  | "request that reads"
  | "request that changes";

/**
 * Makes a thousand sessions of a size, and what is done to them.
 *
 * @param path An empty directory.
 * @param size As for `makeDataSet`.
 */
export async function makeOperations(
  path: string,
  size: number,
): Promise<Readonly<Record<OperationName, Operation>>> {
  const secret = createSecret();
  const { ids, walk, ...set } = makeDataSet(size);
  const record = { ...set.record, secretHash: hashSecret(secret) };
  const { floors, directory } = await fill(`${path}/plain`, ids, record);
  // A manager's sessions have an idle timeout, and every load asks for a touch.
  const idle = makeDataSet(size, DAY);
  const timed = await fill(`${path}/timed`, ids, idle.record);
  const memory = new MemorySessionStore();
  const requests = new Map<string, Request>();
  for (const id of ids) {
    await memory.save(id, record);
    const headers = { cookie: `${COOKIE}${id}${secret}` };
    requests.set(id, new Request("http://localhost/", { headers }));
  }

  const walking = (act: (id: string) => unknown): Step => {
    const next = walk();
    return { run: () => act(next()) };
  };
  const extra = (act: (id: string) => unknown) => {
    let n = 0;
    return () => act(String(n++ % EXTRA).padStart(ID_LENGTH, "0"));
  };
  const create = (id: string) => directory.create(id, record);
  const remove = (id: string) => directory.delete(id);
  const createBare = (id: string) => floors.create(id, record);
  const removeBare = (id: string) => floors.delete(id);
  const touching = (isDue: boolean): Operation => {
    const touch = () => isDue;
    const options = { touch };
    return {
      floor: walking((id) => timed.floors.loadAndTouch(id, touch)),
      directory: walking((id) => timed.directory.load(id, options)),
    };
  };
  const manager = new SessionManager<Data>({ store: directory });
  const requesting = (
    act: Parameters<typeof manager.run>[1],
    bare: (id: string) => unknown,
  ): Operation => ({
    floor: walking((id) => answerBare(requests.get(id)!, bare)),
    directory: walking((id) => manager.run(requests.get(id)!, act)),
  });
  return {
    "load": {
      floor: walking((id) => floors.load(id)),
      directory: walking((id) => directory.load(id)),
      memory: walking((id) => memory.load(id)),
    },
    "load and touch, not due": touching(false),
    "load and touch, due": touching(true),
    "save": {
      floor: walking((id) => floors.save(id, record)),
      afresh: walking((id) => floors.saveAfresh(id, record)),
      directory: walking((id) => directory.save(id, record)),
      memory: walking((id) => memory.save(id, record)),
    },
    "update": {
      floor: walking((id) => floors.update(id, visitBare)),
      directory: walking((id) => directory.update(id, visit)),
      memory: walking((id) => memory.update(id, visit)),
    },
    "create": {
      floor: { run: extra(createBare), after: extra(removeBare) },
      directory: { run: extra(create), after: extra(remove) },
    },
    "delete": {
      floor: { before: extra(createBare), run: extra(removeBare) },
      directory: { before: extra(create), run: extra(remove) },
    },
    "request that reads": requesting(
      (session) => {
        session.get("theme");
        return new Response();
      },
      (id) => floors.loadAndTouch(id, () => false),
    ),
    "request that changes": requesting(
      (session) => {
        session.update("visits", (visits = 0) => visits + 1);
        return new Response();
      },
      (id) => floors.update(id, visitBare),
    ),
  };
}

/** Saves sessions in a new directory, once for the store and once for the floor. */
async function fill(
  path: string,
  ids: readonly string[],
  record: SessionRecord,
): Promise<{ floors: Floors; directory: DirectorySessionStore }> {
  const floors = new Floors(await makePrivate(path));
  const directory = new DirectorySessionStore(path);
  for (const id of ids) {
    floors.create(id, record);
    await directory.save(id, record);
  }
  return { floors, directory };
}

/** What a handler without any library does: cookie, SHA-256, the bare calls. */
function answerBare(request: Request, act: (id: string) => unknown): Response {
  const token = request.headers.get("cookie")!.slice(COOKIE.length);
  createHash("sha256").update(token.slice(ID_LENGTH)).digest("hex");
  act(token.slice(0, ID_LENGTH));
  return new Response();
}

/** Changes a number, and not how many digits it has. */
function visit(record: SessionRecord): SessionRecord {
  const { data } = record;
  const visits = data.visits === 1_234 ? 4_321 : 1_234;
  return { ...record, data: { ...data, visits } };
}

function visitBare(value: unknown): unknown {
  return visit(value as SessionRecord);
}
