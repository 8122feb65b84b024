import { SessionManager } from "../../src/manager/manager.ts";
import type { Session } from "../../src/session/session.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { createSecret, hashSecret } from "../../src/core/token.ts";
import { makeDataSet } from "../data_set.ts";
import { Floors } from "../floors.ts";
import { alternate, type AlternateOptions, repeat } from "./alternate.ts";
import { type Chart, toPoint } from "./chart.ts";

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
 * Measures what an operation costs as the session grows.
 *
 * @param base A directory to work in.
 * @param options How long, and `sizes`: of the data's JSON, in bytes.
 * @returns Load, save, and the commit of a request that looked into the large
 * part and changed a small one.
 */
export async function measureSize(
  base: string,
  options: AlternateOptions & { readonly sizes: readonly number[] },
): Promise<Chart[]> {
  const chart = (title: string, yTitle: string): Chart => ({
    title,
    xTitle: "JSON of the data (bytes)",
    yTitle,
    points: [],
  });
  const load = chart("Load", "µs per load");
  const save = chart("Save", "µs per save");
  const commit = chart("Commit", "µs per commit");
  const secret = createSecret();
  for (const size of options.sizes) {
    const path = `${base}/size-${size}`;
    await Deno.mkdir(path, { mode: 0o700 });
    const store = new DirectorySessionStore(path);
    const floors = new Floors(path);
    const record = makeRecord(size, hashSecret(secret));
    const count = Math.min(MOST_SESSIONS, Math.floor(MOST_BYTES / size));
    const ids = makeDataSet(500).ids.slice(0, count);
    for (const id of ids) {
      await store.save(id, record);
      floors.create(id, record);
    }

    const isWhole = readsWhole(floors, ids[0]!);
    const [next, nextBare] = [walk(ids), walk(ids)];
    const loads = await alternate([
      repeat(() => store.load(next())),
      ...(isWhole ? [repeat(() => floors.load(nextBare()))] : []),
    ], options);
    load.points.push(toPoint(size, loads[0]!, loads[1]));
    const saves = await alternate([
      repeat(() => store.save(next(), record)),
      repeat(() => floors.save(nextBare(), record)),
    ], options);
    save.points.push(toPoint(size, saves[0]!, saves[1]));
    const visit = (value: unknown) => changeVisits(value as SessionRecord);
    const commits = await alternate([
      commitSide(new SessionManager<Data>({ store }), secret, next),
      ...(isWhole ? [repeat(() => floors.update(nextBare(), visit))] : []),
    ], options);
    commit.points.push(toPoint(size, commits[0]!, commits[1]));
    await Deno.remove(path, { recursive: true });
    console.error(`measured ${size} bytes`);
  }
  return [load, save, commit];
}

/** Opens the sessions outside the measured time, and commits them inside. */
function commitSide(
  manager: SessionManager<Data>,
  secret: string,
  next: () => string,
) {
  return {
    operations: COMMITS,
    batch: async () => {
      const sessions: Session<Data>[] = [];
      const headers = Array.from({ length: COMMITS }, () => new Headers());
      // Two requests of one session at once are fine: a commit is a delta.
      for (let n = 0; n < COMMITS; n++) {
        const cookie = `session=${next()}${secret}`;
        const request = new Request("http://localhost/", {
          headers: { cookie },
        });
        const session = await manager.open(request);
        if (session.get("cart") === undefined) {
          throw new Error("Cannot measure: a session is not there");
        }
        session.update("visits", (visits = 0) => visits + 1);
        sessions.push(session);
      }
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

function changeVisits(record: SessionRecord): SessionRecord {
  const { data } = record;
  return { ...record, data: { ...data, visits: data.visits as number + 1 } };
}

function walk(ids: readonly string[]): () => string {
  let step = 0;
  return () => ids[step++ % ids.length]!;
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
