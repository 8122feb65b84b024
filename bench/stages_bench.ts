/*
 * Where does the time of a request go?
 *
 * One group per stage, then the whole: a request without a socket, answered
 * through the manager. 2026-11-20, Deno 2.9.6, ext4, 2 cores that others used,
 * so the fastest samples ("min") of two runs, in µs:
 *
 *                                500 B   4 KiB
 *   cookie, token                  0.2     0.2
 *   hash the secret                1.2     1.2
 *   compare two hashes, twice      0.0     0.0
 *   open, close                    7.0     7.1
 *   shared lock, unlock            1.0     1.0
 *   fstat, as a touch may be due   4.9     4.9
 *   read                           0.7     0.7
 *   decode                         1.9    11.6
 *   session, get an object         0.6     6.8
 *   compare: nothing changed       2.0    22.1
 *   respond                        0.6     0.6
 *     in all                      20.2    56.3
 *   a request that reads          33.7    75.1   of it the load 17.7 and 28.0
 *
 *   replace by a recycled file    54.4    55.8   by a fresh one 123 and 263
 *   read, decode, encode           5.9    20.8
 *     in all                      60.3    76.6
 *   update                        77.6    96.5
 *   a request that changes       133.5   167.5
 *
 * The opening and the fstat are the system's and Deno's. Since then: that an
 * object of 4 KiB did not change is found out in 5.7 µs, by its text alone, and
 * to encode 500 B takes 2.3 (2026-11-28). In short rounds that alternate, load,
 * update and the manager's own work add up to a request: 8, 27 and 10 of 44 µs
 * that a change takes. What was more than that was noise, and over HTTP the body
 * of the answer, which became a stream when it was asked for.
 */
import { decodeRecord, encodeRecord } from "../src/core/codec.ts";
import type { SessionRecord } from "../src/core/record.ts";
import {
  createSecret,
  hashSecret,
  isSameHash,
  parseToken,
} from "../src/core/token.ts";
import { readCookie } from "../src/http/cookie.ts";
import { SessionManager } from "../src/manager/manager.ts";
import { completeResponse } from "../src/http/response.ts";
import { Session, stateOf } from "../src/session/session.ts";
import { DirectorySessionStore } from "../src/directory/directory_store.ts";
import { makeDataSet, SIZES, temporaryDirectory } from "./data_set.ts";
import { Floors } from "./floors.ts";

const DAY = 24 * 60 * 60 * 1000;

/** What the sessions hold, as far as it is looked at. */
interface Data {
  readonly visits: number;
  readonly theme: string;
  readonly cart: readonly unknown[];
}

const secret = createSecret();
const secretHash = hashSecret(secret);

{
  const { ids } = makeDataSet(500);
  const request = new Request("http://localhost/", {
    headers: { cookie: `theme=dark; latchkey=${ids[0]}${secret}; lang=en` },
  });
  Deno.bench("header, cookie, token", { group: "cookie" }, () => {
    parseToken(readCookie(request.headers.get("cookie"), "latchkey")[0]!);
  });
  Deno.bench("hash the secret", { group: "hash" }, () => {
    hashSecret(secret);
  });
  Deno.bench("compare two hashes", { group: "hash" }, () => {
    isSameHash(secretHash, secretHash);
  });
}

for (const [title, size] of SIZES) {
  const { ids, record, walk } = makeDataSet(size);
  const path = temporaryDirectory();
  for (const id of ids) {
    Deno.writeFileSync(`${path}/${id}`, encodeRecord(id, record));
  }
  const next = walk();

  Deno.bench(`open and close, ${title}`, { group: "open" }, () => {
    Deno.openSync(`${path}/${next()}`).close();
  });

  const name = `${path}/${ids[0]}`;
  const file = Deno.openSync(name);
  addEventListener("unload", () => file.close());
  const buffer = new Uint8Array(64 * 1024);
  Deno.bench(`shared lock and unlock, ${title}`, { group: "lock" }, () => {
    file.tryLockSync(false);
    file.unlockSync();
  });
  Deno.bench(`fstat, ${title}`, { group: "look" }, () => {
    file.statSync();
  });
  Deno.bench(`lstat, ${title}`, { group: "look" }, () => {
    Deno.lstatSync(name);
  });
  // A seek is no part of a load, and to be taken off.
  Deno.bench(`seek, ${title}`, { group: "read" }, () => {
    file.seekSync(0, Deno.SeekMode.Start);
  });
  Deno.bench(`seek and read, ${title}`, { group: "read" }, () => {
    file.seekSync(0, Deno.SeekMode.Start);
    file.readSync(buffer);
  });

  const id = ids[0]!;
  const bytes = encodeRecord(id, record);
  const text = JSON.stringify(record);
  Deno.bench(`decode, ${title}`, { group: "decode" }, () => {
    decodeRecord(id, bytes);
  });
  Deno.bench(`JSON.parse alone, ${title}`, { group: "decode" }, () => {
    JSON.parse(text);
  });
  Deno.bench(`encode, ${title}`, { group: "encode" }, () => {
    encodeRecord(id, record);
  });
  Deno.bench(`JSON.stringify alone, ${title}`, { group: "encode" }, () => {
    JSON.stringify(record);
  });

  const stored = { id, record, lastAccess: record.createdAt };
  Deno.bench(`open, get a text, ${title}`, { group: "session" }, () => {
    new Session<Data>({ stored }).get("theme");
  });
  Deno.bench(`open, get an object, ${title}`, { group: "session" }, () => {
    new Session<Data>({ stored }).get("cart");
  });

  const read = new Session<Data>({ stored });
  read.get("cart");
  Deno.bench(`an object was read, ${title}`, { group: "compare" }, () => {
    stateOf(read).begin();
  });
  const changed = new Session<Data>({ stored });
  changed.get("cart");
  changed.update("visits", (visits = 0) => visits + 1);
  Deno.bench(`and a number changed, ${title}`, { group: "compare" }, () => {
    const state = stateOf(changed);
    state.begin();
    state.unlock();
  });
  Deno.bench(`and applied, ${title}`, { group: "compare" }, () => {
    const state = stateOf(changed);
    state.begin()!.apply(record, undefined);
    state.unlock();
  });

  const floors = new Floors(path);
  for (const id of ids) floors.create(id, record);
  Deno.bench(`by a fresh file, ${title}`, { group: "replace" }, () => {
    floors.replaceAfresh(next(), bytes);
  });
  Deno.bench(`by a recycled file, ${title}`, { group: "replace" }, () => {
    floors.replace(next(), bytes);
  });
}

Deno.bench("without a cookie", { group: "respond" }, () => {
  completeResponse(new Response(), undefined, "Cookie");
});

for (const [title, size] of SIZES) {
  const { ids, record, walk } = makeDataSet(size, DAY);
  const store = new DirectorySessionStore(temporaryDirectory());
  const manager = new SessionManager<Data>({ store, idleTimeout: DAY });
  const requests = new Map<string, Request>();
  for (const id of ids) {
    await store.save(id, { ...record, secretHash });
    const headers = { cookie: `theme=dark; latchkey=${id}${secret}; lang=en` };
    requests.set(id, new Request("http://localhost/", { headers }));
  }
  const next = walk();
  const touch = () => false;
  const visit = (kept: SessionRecord) => ({
    ...kept,
    data: { ...kept.data, visits: kept.data.visits as number + 1 },
  });

  Deno.bench(`load, ${title}`, { group: "store" }, async () => {
    await store.load(next(), { touch });
  });
  Deno.bench(`update, ${title}`, { group: "store" }, async () => {
    await store.update(next(), visit);
  });
  Deno.bench(`reads, ${title}`, { group: "request" }, async () => {
    await manager.run(requests.get(next())!, (session) => {
      session.get("cart");
      return new Response();
    });
  });
  Deno.bench(`changes, ${title}`, { group: "request" }, async () => {
    await manager.run(requests.get(next())!, (session) => {
      session.update("visits", (visits = 0) => visits + 1);
      return new Response();
    });
  });
}
