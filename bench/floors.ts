/*
 * What an operation of a directory of sessions costs at the least: the system
 * calls of its protocol, synchronous and bare, on files of the same JSON.
 * Nothing is checked, cleaned up or released on an error, nothing waits, and a
 * file is its JSON. A store adds the promise, the format, the checksum, the
 * checks of what it finds, the unlock before the close.
 *
 *   load          open · try the shared lock · read · close · parse
 *   load, touch   the same; when the touch is due also
 *                 open · try the exclusive lock · fstat · lstat · seek · write 16
 *                 bytes · close
 *   save          stringify · open · try the exclusive lock · fstat · lstat ·
 *                 fstat S · seek · write S · link it to the next S · rename S
 *                 over it · seek · write one byte · close S; it is the next S,
 *                 open and locked
 *   save afresh   the same without a recycled file: open T new · write T · rename T
 *                 over it · close T · close instead of what is done with S
 *   update        as save, and read · parse after the lstat
 *   create        stringify · open T new · write T · close T · link T · unlink T
 *   delete        open · try the exclusive lock · fstat · lstat · unlink · close
 */

/** How many bytes a touch writes. */
const TOUCHED = 16;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Does with bare system calls what a directory of sessions does.
 *
 * Its file names are not session IDs, so that it can work in the directory of the
 * store that it is compared with. It should: on ext4 the same rename took 190 µs
 * in one directory and 400 µs in the one beside it.
 */
export class Floors {
  readonly #directory: string;
  readonly #buffer = new Uint8Array(4 * 1024 * 1024);
  #temporary = 0;
  #recycled: { readonly path: string; readonly file: Deno.FsFile } | undefined;

  /** @param directory Where it works; there may be one of it in each. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Returns what the file says. */
  load(id: string): unknown {
    const file = Deno.openSync(this.#path(id));
    file.tryLockSync(false);
    const value = this.#read(file);
    file.close();
    return value;
  }

  /** When `isDue` says so, also writes over as many bytes as a touch. */
  loadAndTouch(id: string, isDue: () => boolean): unknown {
    const path = this.#path(id);
    const file = Deno.openSync(path);
    file.tryLockSync(false);
    const value = this.#read(file);
    file.close();
    if (isDue()) {
      const held = this.#hold(path);
      held.seekSync(0, Deno.SeekMode.Start);
      held.writeSync(this.#buffer.subarray(0, TOUCHED));
      held.close();
    }
    return value;
  }

  /** Replaces a file that is there. */
  save(id: string, value: unknown): void {
    this.replace(id, encoder.encode(JSON.stringify(value)));
  }

  /** What a save does once it has the bytes. */
  replace(id: string, bytes: Uint8Array): void {
    const path = this.#path(id);
    this.#replace(path, this.#hold(path), bytes);
  }

  /** Replaces a file that is there by one that was made for it. */
  saveAfresh(id: string, value: unknown): void {
    this.replaceAfresh(id, encoder.encode(JSON.stringify(value)));
  }

  /** What this does once it has the bytes. */
  replaceAfresh(id: string, bytes: Uint8Array): void {
    const path = this.#path(id);
    const held = this.#hold(path);
    Deno.renameSync(this.#write(bytes), path);
    held.close();
  }

  /** Replaces a file that is there by what `change` makes of it. */
  update(id: string, change: (value: unknown) => unknown): void {
    const path = this.#path(id);
    const held = this.#hold(path);
    const value = change(this.#read(held));
    this.#replace(path, held, encoder.encode(JSON.stringify(value)));
  }

  /** Makes a file, complete or not at all. */
  create(id: string, value: unknown): void {
    const bytes = encoder.encode(JSON.stringify(value));
    const temporary = this.#write(bytes);
    Deno.linkSync(temporary, this.#path(id));
    Deno.removeSync(temporary);
  }

  /** Removes a file that is there. */
  delete(id: string): void {
    const path = this.#path(id);
    const held = this.#hold(path);
    Deno.removeSync(path);
    held.close();
  }

  #path(id: string): string {
    return `${this.#directory}/${id}.json`;
  }

  #hold(path: string): Deno.FsFile {
    const file = Deno.openSync(path, { read: true, write: true });
    file.tryLockSync(true);
    const { dev, ino } = file.statSync();
    const behind = Deno.lstatSync(path);
    if (behind.dev !== dev || behind.ino !== ino) {
      throw new Error("Cannot measure: another process works here");
    }
    return file;
  }

  #read(file: Deno.FsFile): unknown {
    const length = file.readSync(this.#buffer) ?? 0;
    return JSON.parse(decoder.decode(this.#buffer.subarray(0, length)));
  }

  /** Writes over the file that was replaced last, and keeps this one. */
  #replace(path: string, held: Deno.FsFile, bytes: Uint8Array): void {
    const { path: source, file } = this.#recycled ?? this.#openFresh();
    const { size } = file.statSync();
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(bytes);
    if (size > bytes.length) file.truncateSync(bytes.length);
    const next = this.#nextPath();
    Deno.linkSync(path, next);
    Deno.renameSync(source, path);
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(bytes.subarray(0, 1));
    file.close();
    this.#recycled = { path: next, file: held };
  }

  #nextPath(): string {
    return `${this.#directory}/${this.#temporary++}.tmp`;
  }

  #write(bytes: Uint8Array): string {
    const { path, file } = this.#openFresh();
    file.writeSync(bytes);
    file.close();
    return path;
  }

  #openFresh(): { readonly path: string; readonly file: Deno.FsFile } {
    const path = this.#nextPath();
    const file = Deno.openSync(path, {
      write: true,
      createNew: true,
      mode: 0o600,
    });
    return { path, file };
  }
}
