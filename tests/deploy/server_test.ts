/** The server of `docs/deploy.md`: its flags, health, stop signal and backup. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { SessionRecord } from "../../src/core/record.ts";
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
    const { code, stderr } = await child.end(60_000);
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
  using scene = await writingScene();
  const [backup = "", restore = ""] = listBlocks("sh").map((command) =>
    replace(command.trim(), { "jsr:@latchkey/session": `${ROOT}mod.ts` })
  );
  const exported = await scene.whileWriting(
    run(replace(backup, { "/var/lib/app": scene.directory.path })).end(),
  );
  assertEquals(exported.code, 0, exported.stderr);
  await scene.store.delete(scene.ids[0]!); // signed out since

  const place = scene.directory.join("restored");
  Deno.mkdirSync(place);
  await using importing = run(replace(restore, { "/var/lib/app": place }));
  for (const line of exported.stdout.trimEnd().split("\n")) {
    await importing.writeLine(line);
  }
  const { code, stderr } = await importing.end();
  assertEquals(code, 0, stderr);
  using restored = new DirectorySessionStore(`${place}/sessions`);
  await restored.setup();
  for (const id of scene.ids) assert(isState(id, await restored.load(id)), id);
});

Deno.test("a plain copy that is made while a server writes has no state that never was", async () => {
  using scene = await writingScene();
  const { path } = scene.directory;
  const copy = `${path}/copy.tar`;
  const args = ["-C", path, "-cf", copy, "sessions"];
  const { code } = await scene.whileWriting(
    new Deno.Command("tar", { args, stderr: "null" }).output(),
  );
  // 1: a file was replaced while it was read.
  assert([0, 1].includes(code));

  const place = scene.directory.join("restored");
  Deno.mkdirSync(place);
  assertEquals(runSync("tar", ["-C", place, "-xpf", copy]).code, 0);
  using restored = new DirectorySessionStore(`${place}/sessions`, {
    onWarning: ({ type }) => assertEquals(type, "unreadable"),
  });
  await restored.setup();
  for (const id of scene.ids) {
    const record = await restored.load(id);
    assert(record === undefined || isState(id, record), id);
  }
});

/** Runs a command of the page that is Deno's, without its redirection. */
function run(command: string): Child {
  const [words = ""] = command.split(/ [<>] /);
  const [, , ...args] = words.split(" ");
  return spawnDeno([
    "run",
    "--quiet",
    "--no-prompt",
    "--no-check",
    CONFIG,
    ...args,
  ]);
}

/** Tells whether a session has a state that {@linkcode writingScene} gave it. */
function isState(id: string, record: SessionRecord | undefined): boolean {
  const { n, text } = record?.data ?? {};
  return text === `${id} ${n} `.repeat(40);
}

/** A store with sessions, and what changes all of them, again and again. */
async function writingScene() {
  const directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.join("sessions"), {
    create: true,
  });
  const ids = Array.from({ length: 200 }, (_, n) => `session-${n}-of-a-backup`);
  const stateOf = (id: string, n: number) => ({
    n,
    text: `${id} ${n} `.repeat(40),
  });
  for (const id of ids) await store.save(id, recordOf(stateOf(id, 0)));
  return {
    directory,
    store,
    ids,
    /** Changes sessions until something else is done. */
    async whileWriting<T>(other: Promise<T>): Promise<T> {
      let isDone = false;
      const result = other.finally(() => isDone = true);
      let changes = 0;
      while (!isDone) {
        const id = ids[changes++ % ids.length]!;
        const data = stateOf(id, changes);
        await store.update(id, (record) => ({ ...record, data }));
        if (changes % 50 === 0) await new Promise((done) => setTimeout(done));
      }
      assert(changes > 0);
      return await result;
    },
    [Symbol.dispose](): void {
      store[Symbol.dispose]();
      directory[Symbol.dispose]();
    },
  };
}
