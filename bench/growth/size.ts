import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { createSecret, hashSecret } from "../../src/core/token.ts";
import { makeDataSet } from "../data_set.ts";
import { Floors } from "../floors.ts";
import { makePrivate, say } from "../harness/benchmark.ts";
import type { Side, TurnOptions } from "../harness/turns.ts";
import { type Chart, measurePoint } from "./chart.ts";

/** Of the data's JSON, in bytes. */
const SIZES = [100, 500, 4_096, 32_768, 262_144, 1_048_576];
const MOST_BYTES = 32 * 1024 * 1024;
const MOST_SESSIONS = 200;
const CREATED_AT = Date.UTC(2026, 0, 1);
const COMMITS = 20;

/** What the sessions hold. */
interface Data {
  readonly visits: number;
  readonly cart: readonly unknown[];
}

/**
 * Measures what an operation costs as the session grows: load, save, and the
 * commit of a request that looked into the large part and changed a small one.
 *
 * @param base A directory to work in.
 */
export async function measureSize(
  base: string,
  options: TurnOptions,
): Promise<Chart[]> {
  const chart = (operation: string): Chart => ({
    title: operation[0]!.toUpperCase() + operation.slice(1),
    xTitle: "JSON of the data (bytes)",
    yTitle: `µs per ${operation}`,
    points: [],
  });
  const [load, save, commit] = [chart("load"), chart("save"), chart("commit")];
  const secret = createSecret();
  for (const size of SIZES) {
    const path = await makePrivate(`${base}/size-${size}`);
    const store = new DirectorySessionStore(path);
    const floors = new Floors(path);
    const record = makeRecord(size, hashSecret(secret));
    const count = Math.min(MOST_SESSIONS, Math.floor(MOST_BYTES / size));
    const ids = makeDataSet(500).ids.slice(0, count);
    for (const id of ids) {
      await store.save(id, record);
      floors.create(id, record);
    }
    const walk = () => {
      let step = 0;
      return () => ids[step++ % count]!;
    };
    const [next, nextBare] = [walk(), walk()];
    const isWhole = readsWhole(floors, ids[0]!);
    const loadOurs = () => store.load(next());
    const loadBare = isWhole ? () => floors.load(nextBare()) : undefined;
    await measurePoint(load, size, loadOurs, loadBare, options);
    const saveOurs = () => store.save(next(), record);
    const saveBare = () => floors.save(nextBare(), record);
    await measurePoint(save, size, saveOurs, saveBare, options);
    const manager = new SessionManager<Data>({ store });
    const commitOurs = commitSide(manager, secret, next);
    const commitBare = isWhole
      ? () => floors.update(nextBare(), changeVisits)
      : undefined;
    await measurePoint(commit, size, commitOurs, commitBare, options);
    say(`measured ${size} bytes`);
  }
  return [load, save, commit];
}

/** Opens the sessions outside the measured time, and commits them inside. */
function commitSide(
  manager: SessionManager<Data>,
  secret: string,
  next: () => string,
): Side {
  return {
    operations: COMMITS,
    batch: async () => {
      const sessions: Session<Data>[] = [];
      // Two requests of one session at once are fine: a commit is a delta.
      for (let n = 0; n < COMMITS; n++) {
        const headers = { cookie: `latchkey=${next()}${secret}` };
        const request = new Request("http://localhost/", { headers });
        const session = await manager.open(request);
        if (session.get("cart") === undefined) {
          throw new Error("Cannot measure: a session is missing");
        }
        session.update("visits", (visits = 0) => visits + 1);
        sessions.push(session);
      }
      const headers = sessions.map(() => new Headers());
      const start = performance.now();
      for (const [n, session] of sessions.entries()) {
        await manager.commit(session, headers[n]!);
      }
      return performance.now() - start;
    },
  };
}

/** The bare calls read with one call, which may be too short for a large one. */
function readsWhole(floors: Floors, id: string): boolean {
  try {
    floors.load(id);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

function changeVisits(value: unknown): SessionRecord {
  const record = value as SessionRecord;
  const { data } = record;
  return { ...record, data: { ...data, visits: data.visits as number + 1 } };
}

function makeRecord(size: number, secretHash: string): SessionRecord {
  const data = (items: number, note: string) => ({
    visits: 1_000_000,
    cart: Array.from({ length: items }, (_, n) => ({
      article: `article-${100_000 + n}`,
      quantity: 1 + n % 3,
      price: 19.95,
    })),
    note,
  });
  const sizeOf = (items: number) => JSON.stringify(data(items, "")).length;
  const each = sizeOf(2) - sizeOf(1);
  const items = Math.max(0, Math.floor((size - sizeOf(1)) / each));
  const note = "x".repeat(size - sizeOf(items));
  return { data: data(items, note), createdAt: CREATED_AT, secretHash };
}
