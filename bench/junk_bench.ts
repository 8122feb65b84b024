/*
 * What does an invalid cookie cost the server? Any client may send any.
 *
 * One `open` of the manager on a directory, without the making of the request.
 * 2026-11-20, Deno 2.9.6, ext4, 2 cores that others used, so the fastest
 * samples ("min"), in µs:
 *
 *   no cookie                   0.5
 *   malformed                   0.6 to 2.4
 *   well-formed, unknown       21     one open of a file that is not there
 *
 *   56 KiB of `session=;`       4.1
 *             `xsession=;`      2.6
 *             blanks            1.8
 *             `session`        58     which `indexOf` runs through, 1 ns each
 *
 * Before the occurrences of the name were counted, `session=;` took 216, and
 * blanks before a pair 94 before those were.
 */
import { readCookie } from "../src/http/cookie.ts";
import { SessionManager } from "../src/manager/manager.ts";
import { DirectorySessionStore } from "../src/directory/directory_store.ts";
import { temporaryDirectory } from "./data_set.ts";

const HEADER_BYTES = 56 * 1024;
const TOKEN = `${"0123456789abcdef".repeat(2)}${"A".repeat(22)}`;
const store = new DirectorySessionStore(temporaryDirectory());
await store.setup();
const manager = new SessionManager({ store });

function requestWith(cookie: string): Request {
  const headers = cookie === "" ? {} : { cookie };
  return new Request("http://localhost/", { headers });
}

const SHORT: readonly (readonly [title: string, cookie: string])[] = [
  ["no cookie", ""],
  ["malformed: empty", "latchkey="],
  ["malformed: a path", "latchkey=../../etc/passwd"],
  ["malformed: a character too many", `latchkey=${TOKEN}A`],
  ["malformed: among others", `a=1; latchkey=${TOKEN.slice(1)}; b=2`],
  ["well-formed, unknown", `latchkey=${TOKEN}`],
];
for (const [title, cookie] of SHORT) {
  const request = requestWith(cookie);
  const baseline = cookie === "";
  Deno.bench(title, { group: "open, a short cookie", baseline }, async () => {
    await manager.open(request);
  });
}

const LONG: readonly (readonly [title: string, unit: string])[] = [
  ["latchkey=;", "latchkey=;"],
  ["latchkey=1; latchkey=2;", "latchkey=1; latchkey=2;"],
  ["xlatchkey=;", "xlatchkey=;"],
  ["latchkey", "latchkey"],
  ["blanks", " "],
  ["semicolons", ";"],
];
for (const [title, unit] of LONG) {
  const group = "open, 56 KiB of one thing";
  const cookie = unit.repeat(Math.floor(HEADER_BYTES / unit.length));
  // A blank at either end would not arrive.
  const request = requestWith(`a=b;${cookie}latchkey=x`);
  Deno.bench(title, { group }, async () => {
    await manager.open(request);
  });
  Deno.bench(title, { group: "readCookie() alone" }, () => {
    readCookie(cookie, "latchkey");
  });
}
