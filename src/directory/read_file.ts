import { LARGEST_RECORD } from "../core/record.ts";
import { system } from "../system/system.ts";

const FIRST_READ = 64 * 1024;

/*
 * One buffer for all reads: what is read is decoded before any other flow runs.
 */
let buffer = new Uint8Array(FIRST_READ);

/**
 * Reads what an open file holds with one call, if it fits into the buffer.
 *
 * @returns A view of the bytes, valid until the next read. It can be short on a
 * file system that reads in pieces: bytes that cannot be decoded prove nothing.
 */
export function readOnce(file: Deno.FsFile): Uint8Array {
  const length = system.read(file, buffer) ?? 0;
  return length < buffer.length
    ? buffer.subarray(0, length)
    : readOn(file, length);
}

/**
 * Reads the first bytes of an open file.
 *
 * @param file The open file; no process changes it meanwhile.
 * @param length How many, no more than it has.
 * @returns A view of the bytes, valid until the next read.
 */
export function readHead(file: Deno.FsFile, length: number): Uint8Array {
  let end = 0;
  while (end < length) {
    const more = system.read(file, buffer.subarray(end, length));
    if (more === null) break;
    end += more;
  }
  return buffer.subarray(0, end);
}

/**
 * Reads all that an open file holds, or one byte more than a record can have:
 * enough to see that it is not a record, and an end for a file that has none.
 *
 * @param file The open file; no process changes it meanwhile.
 * @param size Its length: one call is enough if that reads so many bytes.
 * @returns A view of the bytes, valid until the next read.
 */
export function readWhole(file: Deno.FsFile, size: number): Uint8Array {
  const first = readOnce(file);
  return first.length === size ? first : readRest(file, first);
}

/**
 * Reads on where {@linkcode readOnce} ended, in case that read only a piece.
 *
 * @param file The open file.
 * @param first What was read of it; nothing else was read since.
 * @returns A view of all its bytes, valid until the next read.
 */
export function readRest(file: Deno.FsFile, first: Uint8Array): Uint8Array {
  return first.length < buffer.length ? readOn(file, first.length) : first;
}

function readOn(file: Deno.FsFile, start: number): Uint8Array {
  let end = start;
  for (;;) {
    if (end > LARGEST_RECORD) break;
    if (end === buffer.length) grow();
    const length = system.read(file, buffer.subarray(end));
    if (length === null) break;
    end += length;
  }
  const bytes = buffer.subarray(0, end);
  if (buffer.length > FIRST_READ) buffer = new Uint8Array(FIRST_READ);
  return bytes;
}

function grow(): void {
  const size = Math.min(2 * buffer.length, LARGEST_RECORD + 1);
  const larger = new Uint8Array(size);
  larger.set(buffer);
  buffer = larger;
}
