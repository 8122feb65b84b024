/**
 * What a power loss may leave when no call waited for the disk (`durability:
 * "process"`), and how the store treats it. Names and bytes reach the disk in
 * any order, so a name may lead to a file of which some blocks are there, or
 * none, or blocks with another file's bytes; and a name may be as it was before.
 */

import { assertEquals } from "@std/assert";
import { encodeRecord } from "../../src/core/codec.ts";
import {
  DirectorySessionStore,
  type DirectorySessionStoreOptions,
} from "../../src/directory/directory_store.ts";
import type { StoreWarning } from "../../src/core/store.ts";
import { ID, OTHER_ID } from "../constants.ts";
import { setLastAccess } from "../session_file.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { cleanUpAfter, goOn } from "./aftermath.ts";
import { LONG_AGO, sessionOf } from "./scenes.ts";

const BLOCK = 4_096;
const LARGE = { ...sessionOf(1), data: { text: "large ".repeat(2_500) } };
const OLDER = { ...sessionOf(1), data: { text: "older ".repeat(2_500) } };
const WRITTEN = encodeRecord(ID, LARGE);
const ZEROS = new Uint8Array(WRITTEN.length);
const BEFORE = encodeRecord(ID, OLDER);
const OTHERS = encodeRecord(OTHER_ID, LARGE);

/** A directory after a power loss, and a server that begins there. */
class Restart implements Disposable {
  readonly directory: TemporaryDirectory = new TemporaryDirectory();
  readonly store: DirectorySessionStore;
  readonly #warnings: StoreWarning[] = [];

  constructor(options: DirectorySessionStoreOptions = {}) {
    this.store = new DirectorySessionStore(this.directory.path, {
      onWarning: (warning) => this.#warnings.push(warning),
      ...options,
    });
  }

  /** Returns the types of the warnings, and clears them. */
  take(): string[] {
    return this.#warnings.splice(0).map(({ type }) => type);
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }
}

/** Checks that bytes are not a session, are set aside, and that a save works. */
async function assertSetAside(
  { directory, store }: Restart,
  bytes: Uint8Array,
): Promise<void> {
  Deno.writeFileSync(directory.join(ID), bytes);
  assertEquals(await store.load(ID, { touch: () => true }), undefined);
  assertEquals(directory.list(), [".latchkey", `${ID}.bad`]);
  assertEquals(Deno.readFileSync(directory.join(`${ID}.bad`)), bytes);
  await store.save(ID, LARGE);
  assertEquals(await store.load(ID), LARGE);
}

Deno.test("a file of which nothing, or only its beginning, reached the disk is set aside", async () => {
  const half = WRITTEN.length / 2;
  for (const length of [0, 1, 511, 512, BLOCK, half, WRITTEN.length - 1]) {
    using restart = new Restart();
    await assertSetAside(restart, WRITTEN.subarray(0, length));
    assertEquals(restart.take(), ["unreadable"]);
  }
});

Deno.test("a file of which only some blocks reached the disk is set aside, whatever is in the others", async () => {
  const sources = [WRITTEN, ZEROS, BEFORE];
  const blocks = Math.ceil(WRITTEN.length / BLOCK);
  let mixtures = 0;
  for (let choice = 0; choice < sources.length ** blocks; choice++) {
    const bytes = new Uint8Array(WRITTEN.length);
    const chosen = new Set<Uint8Array>();
    for (let block = 0; block < blocks; block++) {
      const index = Math.trunc(choice / sources.length ** block);
      const source = sources[index % sources.length]!;
      chosen.add(source);
      const start = block * BLOCK;
      bytes.set(source.subarray(start, start + BLOCK), start);
    }
    if (chosen.size === 1 && !chosen.has(ZEROS)) continue;
    using restart = new Restart();
    await assertSetAside(restart, bytes);
    assertEquals(restart.take(), ["unreadable"]);
    mixtures++;
  }
  console.log(`${mixtures} mixtures of ${blocks} blocks`);
});

Deno.test("another session's bytes, whole, are not a session, and are left where they are", async () => {
  using restart = new Restart();
  const { directory, store } = restart;
  Deno.writeFileSync(directory.join(ID), OTHERS);
  Deno.writeFileSync(directory.join(OTHER_ID), OTHERS);
  assertEquals(await store.load(ID), undefined);
  assertEquals(await store.load(OTHER_ID), LARGE);
  assertEquals(restart.take(), ["foreign"]);
  assertEquals(directory.list(), [".latchkey", ID, OTHER_ID]);
  assertEquals(await store.create(ID, LARGE), true);
  assertEquals(await store.load(ID), LARGE);
});

Deno.test("an older version of a session is served: the changes since are lost", async () => {
  using restart = new Restart();
  const { directory, store } = restart;
  Deno.writeFileSync(directory.join(ID), BEFORE);
  assertEquals(await store.load(ID), OLDER);
  assertEquals(restart.take(), []);
});

Deno.test("a session whose removal did not reach the disk is served: a logout is undone", async () => {
  using restart = new Restart();
  const { directory, store } = restart;
  await store.save(ID, LARGE);
  Deno.linkSync(directory.join(ID), directory.join("beside"));
  await store.delete(ID);
  Deno.renameSync(directory.join("beside"), directory.join(ID));
  assertEquals(await store.load(ID), LARGE);
});

Deno.test("a last access that did not reach the disk is the one before: a session may expire early", async () => {
  using restart = new Restart();
  const { directory, store } = restart;
  await store.save(ID, { ...LARGE, idleTimeout: 60_000 });
  await store.touch(ID);
  setLastAccess(directory.join(ID), LONG_AGO);
  assertEquals(await store.load(ID), undefined);
});

Deno.test("temporary files, whatever is in them, are collected when they are an hour old", async () => {
  using restart = new Restart();
  const { directory, store } = restart;
  await store.save(ID, sessionOf(1));
  const birth = String(Date.now()).padStart(15, "0");
  const temporaries = [ZEROS, WRITTEN, new Uint8Array()].map((bytes, i) => {
    const name = `.tmp-${birth}-${String(i).repeat(32)}`;
    Deno.writeFileSync(directory.join(name), bytes);
    return name;
  });
  // Linked, and its first name not yet removed.
  const linked = `.tmp-${birth}-${"a".repeat(32)}`;
  Deno.linkSync(directory.join(ID), directory.join(linked));
  assertEquals(await store.load(ID), sessionOf(1));
  assertEquals((await Array.fromAsync(store.entries())).length, 1);
  await cleanUpAfter(directory.path, [...temporaries, linked]);
  await goOn(store, directory.path, 0);
});

Deno.test("a marker whose text did not reach the disk is a marker all the same", async () => {
  using restart = new Restart();
  const { directory, store } = restart;
  Deno.writeFileSync(directory.join(".latchkey"), new Uint8Array());
  await store.setup();
  await goOn(store, directory.path, 0);
});
