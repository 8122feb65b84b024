/*
 * Every system call of this room and of the directory store goes through this
 * one object, so that a test can come in between: run several actors one call at
 * a time in any order, end a process before its k-th call, let the k-th call
 * fail. No other code there calls the operating system, reads the clock or makes
 * up a name.
 */

import { existsSync, statfsSync } from "node:fs";

/** What the directory store uses of the operating system. */
export interface System {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds from an arbitrary start, never set back. */
  monotonic(): number;
  /** 64 random bits as 16 hex characters. */
  random(): string;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason. */
  wait(ms: number, signal: AbortSignal | undefined): Promise<void>;
  /** Gives the event loop back once, without the millisecond of a timer. */
  pause(): Promise<void>;
  open(path: string, options: Deno.OpenOptions): Deno.FsFile;
  tryLock(file: Deno.FsFile, exclusive: boolean): boolean;
  unlock(file: Deno.FsFile): void;
  close(file: Deno.FsFile): void;
  read(file: Deno.FsFile, into: Uint8Array): number | null;
  write(file: Deno.FsFile, bytes: Uint8Array): number;
  /** Sets the position to the start, to write from there. */
  rewind(file: Deno.FsFile): void;
  /** Writes over the bytes at a place, with one write; returns how many it wrote. */
  overwrite(file: Deno.FsFile, at: number, bytes: Uint8Array): number;
  truncate(file: Deno.FsFile, length: number): void;
  sync(file: Deno.FsFile): void;
  /** Sets mtime (and atime) to `at`, in ms since the epoch. */
  setModified(file: Deno.FsFile, at: number): void;
  fstat(file: Deno.FsFile): Deno.FileInfo;
  lstat(path: string): Deno.FileInfo;
  /** Tells whether a name leads to anything; `false` also when that cannot be told. */
  exists(path: string): boolean;
  stat(path: string): Deno.FileInfo;
  link(from: string, to: string): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Removes in another thread: on some disks that takes a while. */
  removeLater(path: string): Promise<void>;
  /** Makes a directory, mode 0700; with `recursive` also its parents. */
  makeDirectory(path: string, recursive: boolean): void;
  changeMode(path: string, mode: number): void;
  readDirectory(path: string): AsyncIterable<Deno.DirEntry>;
  /** What `Deno.build.os` says. */
  os(): typeof Deno.build.os;
  /**
   * The type of a path's file system, as Linux numbers them; `undefined` on other
   * systems, and where `--allow-sys=statfs` is not granted; it never prompts.
   */
  fileSystemType(path: string): number | undefined;
  /**
   * The user that this process runs as; `undefined` where it may not be asked
   * without a prompt, `null` where there are no such numbers.
   */
  uid(): number | null | undefined;
}

/** The operating system. Only tests replace its members. */
export const system: System = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  // Deno makes UUIDs in advance, which is faster than 8 random bytes.
  random: () => {
    const uuid = crypto.randomUUID();
    return uuid.slice(0, 8) + uuid.slice(-8);
  },
  wait,
  pause: () => new Promise((resolve) => setImmediate(resolve)),
  // Deno copies options, which slows a load; its default is to read.
  open: (path, options) =>
    options.write ? Deno.openSync(path, options) : Deno.openSync(path),
  tryLock: (file, exclusive) => file.tryLockSync(exclusive),
  unlock: (file) => file.unlockSync(),
  close: (file) => file.close(),
  read: (file, into) => file.readSync(into),
  write: (file, bytes) => file.writeSync(bytes),
  rewind: (file) => void file.seekSync(0, Deno.SeekMode.Start),
  overwrite: (file, at, bytes) => {
    file.seekSync(at, Deno.SeekMode.Start);
    return file.writeSync(bytes);
  },
  truncate: (file, length) => file.truncateSync(length),
  sync: (file) => file.syncSync(),
  setModified: (file, at) => file.utimeSync(new Date(at), new Date(at)),
  fstat: (file) => file.statSync(),
  lstat: (path) => Deno.lstatSync(path),
  // Deno's own calls throw when the name is missing, which takes ten times as long.
  exists: (path) => existsSync(path),
  stat: (path) => Deno.statSync(path),
  link: (from, to) => Deno.linkSync(from, to),
  rename: (from, to) => Deno.renameSync(from, to),
  remove: (path) => Deno.removeSync(path),
  removeLater: (path) => Deno.remove(path),
  makeDirectory: (path, recursive) =>
    Deno.mkdirSync(path, { recursive, mode: 0o700 }),
  changeMode: (path, mode) => Deno.chmodSync(path, mode),
  readDirectory: (path) => Deno.readDir(path),
  os: () => Deno.build.os,
  fileSystemType,
  uid: () => {
    const { state } = Deno.permissions.querySync({ name: "sys", kind: "uid" });
    return state === "granted" ? Deno.uid() : undefined;
  },
};

function fileSystemType(path: string): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const asked = { name: "sys", kind: "statfs" } as const;
  const { state } = Deno.permissions.querySync(asked);
  // Some types have the highest bit, and come as negative numbers.
  return state === "granted" ? statfsSync(path).type >>> 0 : undefined;
}

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    function abort() {
      clearTimeout(timer);
      reject(signal!.reason);
    }
    signal?.addEventListener("abort", abort, { once: true });
  });
}
