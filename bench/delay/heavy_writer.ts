/*
 * The other process on the disk: it writes large files and has them written
 * out (fsync), one after the other, until its time is over. At most half a GiB
 * is there at a time.
 */
import { answer } from "../harness/child.ts";

const CHUNK = 1024 * 1024;
const CHUNKS = 256;
const CHUNKS_PER_SYNC = 64;
const FILES = 2;

if (import.meta.main) {
  const [directory, seconds] = Deno.args as [string, string];
  const end = performance.now() + 1_000 * Number(seconds);
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const chunk = new Uint8Array(CHUNK);
  for (let at = 0; at < CHUNK; at += bytes.length) chunk.set(bytes, at);
  let written = 0;
  for (let n = 0; performance.now() < end; n++) {
    using file = Deno.openSync(`${directory}/large-${n % FILES}`, {
      write: true,
      create: true,
      truncate: true,
    });
    for (let m = 0; m < CHUNKS && performance.now() < end; m++) {
      file.writeSync(chunk);
      written++;
      if (written % CHUNKS_PER_SYNC === 0) file.syncSync();
    }
    file.syncSync();
  }
  answer({ mebibytes: written });
}
