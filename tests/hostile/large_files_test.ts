/**
 * A file of any size under a session's name: the store reads at most the size of
 * the largest record, 16 MiB, to see that it is not a session. The bytes are
 * counted where the store reads.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeRecord, userTag } from "../../src/core/codec.ts";
import { LARGEST_RECORD, type SessionRecord } from "../../src/core/record.ts";
import type { CleanupOptions } from "../../src/core/store.ts";
import { system } from "../../src/system/system.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { removeStaleEntries } from "../../src/directory/user_index.ts";
import { ID, OTHER_ID } from "../constants.ts";
import {
  answerOf,
  type CallName,
  callStore,
  STORE_OPERATIONS,
} from "../operations.ts";
import { putEntry } from "../index_state.ts";
import { replaceSystem } from "../replaced_system.ts";
import { makeSpecialFile } from "../special_files.ts";
import { contextOf } from "../directory/directory_context.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";
import { forge } from "./session_bytes.ts";

const MIB = 1024 * 1024;
const SMALL = { data: { n: 1 }, createdAt: 1 };
const FULL = recordOfSize(LARGEST_RECORD);

/** A record whose file has exactly this number of bytes. */
function recordOfSize(bytes: number): SessionRecord {
  const withText = (text: string) => ({ data: { text }, createdAt: 1 });
  const rest = encodeRecord(ID, withText("")).length;
  return withText("x".repeat(bytes - rest));
}

interface Reading extends Disposable {
  /** The most bytes that were read of one open file. */
  readonly bytes: number;
  /** The largest buffer that was read into. */
  readonly buffer: number;
}

/** Counts the bytes that are read until the end of the block. */
function watchReading(): Reading {
  const { read } = system;
  const found = { bytes: 0, buffer: 0 };
  const files = new WeakMap<Deno.FsFile, number>();
  const replaced = replaceSystem({
    read: (file, into) => {
      const length = read(file, into);
      const bytes = (files.get(file) ?? 0) + (length ?? 0);
      files.set(file, bytes);
      found.bytes = Math.max(found.bytes, bytes);
      found.buffer = Math.max(found.buffer, into.buffer.byteLength);
      return length;
    },
  });
  return Object.assign(found, {
    [Symbol.dispose]: () => replaced[Symbol.dispose](),
  });
}

function write(path: string, head: Uint8Array, size: number, fill = 0): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const block = new Uint8Array(MIB).fill(fill);
  if (fill !== 0) {
    for (let at = 0; at < size; at += MIB) file.writeSync(block);
  }
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(head);
  // A hole, if nothing was written: no disk is that large.
  file.truncateSync(size);
}

const NO_HEAD = new Uint8Array();
const WHOLE = encodeRecord(ID, SMALL);
/** Its checksum is right, and nothing else is wrong with it. */
const TOO_LARGE = forge(
  ID,
  `${JSON.stringify({ createdAt: 1, data: FULL.data })} \n`,
);
const LARGE: Readonly<Record<string, (path: string) => void>> = {
  "64 MiB of garbage": (path) => write(path, NO_HEAD, 64 * MIB, 0xa5),
  "64 MiB that begin as a session": (path) =>
    write(path, WHOLE.subarray(0, 72), 64 * MIB, 0x20),
  "a session with 1 GiB behind it": (path) => write(path, WHOLE, 1024 * MIB),
  "a session of 64 KiB with 1 GiB behind it": (path) =>
    write(path, encodeRecord(ID, recordOfSize(64 * 1024)), 1024 * MIB),
  "the largest session with a byte behind it": (path) =>
    write(path, encodeRecord(ID, FULL), LARGEST_RECORD + 1),
  "a whole session of a byte too many": (path) =>
    Deno.writeFileSync(path, TOO_LARGE),
  "the largest session with 1 GiB behind it": (path) =>
    write(path, encodeRecord(ID, FULL), 1024 * MIB),
  "a hole of 1 GiB": (path) => write(path, NO_HEAD, 1024 * MIB),
};

const NONE = { deleted: 0, remaining: 0, orphans: 0 };

/** The calls, and their answers without a session. */
const CALLS: Readonly<
  Record<string, readonly [CallName, unknown, CleanupOptions?]>
> = {
  ...Object.fromEntries(
    (["load", "load+touch", "touch", "update", "delete"] as const).map(
      (name) => {
        const { reply } = STORE_OPERATIONS[name].missing;
        return [name, [name, answerOf(reply, undefined, undefined)]];
      },
    ),
  ),
  entries: ["entries", []],
  "entries of a user": ["entries of a user", []],
  cleanup: ["cleanup", NONE],
  "a dry cleanup": ["cleanup", NONE, { dryRun: true }],
};

for (const [what, put] of Object.entries(LARGE)) {
  Deno.test(`${what} is not a session to any operation, and at most 16 MiB of it are read`, async () => {
    using directory = new TemporaryDirectory();
    const store = new DirectorySessionStore(directory.path, {
      onWarning: () => {},
    });
    await store.setup();
    put(directory.join("large"));
    using reading = watchReading();
    const entry = { tag: userTag("ann"), id: ID };
    putEntry(directory.path, entry);
    for (const [name, [call, expected, options]] of Object.entries(CALLS)) {
      // It is set aside, and put back for the next one.
      Deno.renameSync(directory.join("large"), directory.join(ID));
      const more = options === undefined ? {} : { options };
      assertEquals(
        await callStore(call, { store, id: ID, ...more }),
        expected,
        name,
      );
      const left = directory.list().filter((name) =>
        name !== ".latchkey" && name !== ".users"
      );
      assertEquals(left, name === "a dry cleanup" ? [ID] : [`${ID}.bad`], name);
      Deno.renameSync(directory.join(left[0]!), directory.join("large"));
    }
    Deno.renameSync(directory.join("large"), directory.join(ID));
    removeStaleEntries(contextOf(directory.path), [entry]);
    Deno.removeSync(directory.join(ID));
    assert(reading.bytes <= LARGEST_RECORD + 1, `${reading.bytes} bytes`);
    assert(reading.buffer <= LARGEST_RECORD + 1, `${reading.buffer} bytes`);
    console.log(`${what}: ${reading.bytes} bytes read at most`);
    await store.save(ID, SMALL);
    assertEquals(await store.load(ID), SMALL);
  });
}

Deno.test("a link to an endless file is not a session to a plain load", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path, {
    onWarning: () => {},
  });
  await store.setup();
  makeSpecialFile(directory.join(ID), { link: "/dev/zero" });
  using reading = watchReading();
  assertEquals(await store.load(ID), undefined);
  assert(reading.bytes <= LARGEST_RECORD + 1, `${reading.bytes} bytes`);
  console.log(`/dev/zero: ${reading.bytes} bytes read`);
});

Deno.test("a file that is a byte too large is otherwise valid", () => {
  assertEquals(TOO_LARGE.length, LARGEST_RECORD + 1);
});

Deno.test("a session of 16 MiB is kept, and one with a byte more is refused", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(ID, FULL);
  assertEquals(Deno.statSync(directory.join(ID)).size, LARGEST_RECORD);
  const isSame = (record: SessionRecord | null | undefined) =>
    record?.data.text === FULL.data.text;
  assert(isSame(await store.load(ID)));
  assert(isSame(await store.update(ID, (record) => record)));

  const tooLarge = { ...FULL, createdAt: 10 };
  const refused = "Cannot encode a record: it is too large";
  for (
    const write of [
      () => store.save(ID, tooLarge),
      () => store.create(OTHER_ID, tooLarge),
      () => store.update(ID, () => tooLarge),
    ]
  ) {
    await assertRejects(write, TypeError, refused);
  }
  assertEquals(directory.list(), [".latchkey", ID]);
  assert(isSame(await store.load(ID)));
});

Deno.test("a load keeps no memory of a large record that was read before", async () => {
  using directory = new TemporaryDirectory();
  const store = new DirectorySessionStore(directory.path);
  await store.save(ID, FULL);
  await store.load(ID);
  await store.save(ID, SMALL);
  using reading = watchReading();
  await store.load(ID);
  assertEquals(reading.buffer, 64 * 1024);
});
