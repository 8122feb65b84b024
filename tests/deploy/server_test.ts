/** The server of `docs/deploy.md`: its flags, health, stop signal and backup. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { ID, recordOf } from "../constants.ts";
import { listUnrun, ROOT } from "../pages.ts";
import { type Child, runSync, spawnDeno } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { listBlocks, replace } from "./page.ts";

const DENO = "/usr/local/bin/deno run ";
const SESSIONS = "/var/lib/app/sessions";
const CONFIG = `--config=${ROOT}deno.json`;
const HTTPS = { "x-forwarded-proto": "https" };

/** What a unit on the page calls Deno with. */
function argumentsOf(unit: number, changes: Record<string, string>): string[] {
  const [, command = ""] = /^ExecStart=(.*)$/m.exec(listBlocks("ini")[unit]!)!;
  assert(command.startsWith(DENO));
  return replace(command.slice(DENO.length), changes).split(" ");
}

/** Starts the server as its unit does; the port is the system's choice. */
async function start(
  directory: TemporaryDirectory,
  sessions: string,
): Promise<{ child: Child; url: string }> {
  const [example] = listUnrun("docs/deploy.md");
  assertEquals(example!.name, "server.ts");
  const tellPort = "console.log(server.addr.port);";
  directory.writeFiles({ "server.ts": example!.code + tellPort });
  const args = argumentsOf(0, {
    "--cached-only ": "",
    "127.0.0.1:8000": "127.0.0.1:0",
    [SESSIONS]: sessions,
    "server.ts": directory.join("server.ts"),
  });
  const child = spawnDeno([
    ...["run", "--no-prompt", "--no-check", CONFIG],
    ...args,
    ...["127.0.0.1", "0"],
  ], { env: { SESSIONS: sessions } });
  const port = await child.readLine();
  if (port === undefined) throw new Error((await child.end()).stderr);
  return { child, url: `http://127.0.0.1:${port}` };
}

Deno.test("the server on the page is live, ready, and keeps sessions when it is stopped", async () => {
  using directory = new TemporaryDirectory();
  const sessions = directory.join("sessions");
  const text = async (url: string, init?: RequestInit) =>
    await (await fetch(url, init)).text();
  let cookie = "";
  for (const visit of ["Visit 1", "Visit 2"]) {
    const { child, url } = await start(directory, sessions);
    await using _ended = child;
    assertEquals(await text(`${url}/live`), "live");
    assertEquals(await text(`${url}/ready`), "ready");
    const page = await fetch(url, { headers: { ...HTTPS, cookie } });
    assertEquals(await page.text(), visit);
    cookie ||= page.headers.getSetCookie()[0]!.split(";")[0]!;
    child.kill("SIGTERM");
    const { code, stderr } = await child.end(10_000);
    assertEquals(code, 0, stderr);
    const left = [...Deno.readDirSync(sessions)].map(({ name }) => name);
    assertEquals(left.filter((name) => name.startsWith(".tmp")), []);
  }
});

Deno.test("the server on the page is not ready when its directory is not writable by it alone", async () => {
  using directory = new TemporaryDirectory();
  const sessions = directory.join("sessions");
  const { child, url } = await start(directory, sessions);
  await using _ended = child;
  Deno.chmodSync(sessions, 0o770);
  const ready = await fetch(`${url}/ready`);
  assertEquals([ready.status, await ready.text()], [503, "not ready"]);
  const live = await fetch(`${url}/live`);
  assertEquals(await live.text(), "live");
});

Deno.test("the cleanup on the page has the permissions that it needs", async () => {
  using directory = new TemporaryDirectory();
  const sessions = directory.join("sessions");
  using store = new DirectorySessionStore(sessions, { create: true });
  await store.save(ID, recordOf({}, { expiresAt: Date.now() - 3_600_000 }));
  const args = argumentsOf(1, {
    "jsr:@latchkey/session": `${ROOT}mod.ts`,
    [SESSIONS]: sessions,
  });
  const { code, stdout, stderr } = await spawnDeno([
    ...["run", "--quiet", "--no-prompt", "--no-check", CONFIG],
    ...args,
  ]).end();
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "1");
  assert(!await store.has(ID));
});

Deno.test("a backup that is made while a server writes is restored", async () => {
  using directory = new TemporaryDirectory();
  const sessions = directory.join("sessions");
  using store = new DirectorySessionStore(sessions, { create: true });
  const ids = Array.from({ length: 200 }, (_, n) => `session-${n}-of-a-backup`);
  for (const id of ids) await store.save(id, recordOf({ n: 0 }));

  const [backup = "", restore = ""] = listBlocks("sh").map((command) =>
    replace(command.trim(), { "sessions.tgz": directory.join("backup.tgz") })
  );
  const [tar, ...args] = replace(backup, { "/var/lib/app": directory.path })
    .split(" ");
  let isDone = false;
  const copying = new Deno.Command(tar!, { args }).output()
    .finally(() => isDone = true);
  let changes = 0;
  while (!isDone) {
    const id = ids[changes++ % ids.length]!;
    await store.update(id, (record) => ({ ...record, data: { n: changes } }));
    if (changes % 50 === 0) await new Promise((done) => setTimeout(done));
  }
  // 1: a file was replaced while it was read.
  assert([0, 1].includes((await copying).code));
  assert(changes > 0);
  await store.delete(ids[0]!); // signed out since

  const place = directory.join("restored");
  Deno.mkdirSync(place);
  const [, ...more] = replace(restore, { "/var/lib/app": place }).split(" ");
  const { code, stderr } = runSync("tar", more);
  assertEquals(code, 0, stderr);
  using restored = new DirectorySessionStore(`${place}/sessions`);
  await restored.setup();
  for (const id of ids) assert(await restored.has(id), id);
});
