import { LARGEST_RECORD } from "../core/record.ts";
import { system } from "../system/system.ts";

const FIRST_READ = 64 * 1024;

/*
 * One buffer for all: what is read is decoded before anybody else runs.
 */
let buffer = new Uint8Array(FIRST_READ);

/**
 * Reads what an open file holds with one call, if it fits into the buffer.
 *
 * @returns A view of the bytes, good until the next read. It can be short on a
 * file system that reads in pieces, so bytes that make no sense are no proof.
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
 * @param file The open file; nobody changes it meanwhile.
 * @param length How many, no more than it has.
 * @returns A view of the bytes, good until the next read.
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
 * Reads all that an open file holds, to its end, or one byte more than any
 * record has: enough to know it for none, and the end of what never ends.
 *
 * @param file The open file; nobody changes it meanwhile.
 * @param size How long it is: one call will do, if that brings so much.
 * @returns A view of the bytes, good until the next read.
 */
export function readWhole(file: Deno.FsFile, size: number): Uint8Array {
  const first = readOnce(file);
  return first.length === size ? first : readRest(file, first);
}

/**
 * Reads on where {@linkcode readOnce} ended, in case that was but a piece.
 *
 * @param file The open file.
 * @param first What was read of it; nothing else was read since.
 * @returns A view of all its bytes, good until the next read.
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
