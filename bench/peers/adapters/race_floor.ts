import type { Adapter } from "../contestant.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export const adapter: Adapter = {
  name: "system calls, shared",
  kind: "floor",
  note: "the bare synchronous calls that four processes need: to load, the " +
    "shared lock; to update, the exclusive lock, which the kernel waits for, " +
    "and rename over, from the start where another file is behind the name",
  runtimes: ["Deno"],
  packages: {},
  columns: ["race"],
  open(directory) {
    const buffer = new Uint8Array(64 * 1024);
    let temporary = 0;
    const pathOf = (id: string) => `${directory}/${id}.json`;
    const write = (path: string, value: unknown) => {
      const file = Deno.openSync(path, { write: true, createNew: true });
      file.writeSync(encoder.encode(JSON.stringify(value)));
      file.close();
    };
    const read = (file: Deno.FsFile): unknown => {
      const length = file.readSync(buffer) ?? 0;
      return JSON.parse(decoder.decode(buffer.subarray(0, length)));
    };
    const hold = (path: string): Deno.FsFile => {
      for (;;) {
        const file = Deno.openSync(path, { read: true, write: true });
        file.lockSync(true);
        const { dev, ino } = file.statSync();
        const behind = Deno.lstatSync(path);
        if (behind.dev === dev && behind.ino === ino) return file;
        file.close();
      }
    };
    return {
      load(id) {
        using file = Deno.openSync(pathOf(id));
        file.lockSync(false);
        return read(file);
      },
      save: (id, value) => write(pathOf(id), value),
      update(id, change) {
        const path = pathOf(id);
        // Let go on an error, too: this process would wait for itself.
        using held = hold(path);
        const fresh = `${directory}/${Deno.pid}-${temporary++}.tmp`;
        write(fresh, change(read(held)));
        Deno.renameSync(fresh, path);
      },
      close() {},
    };
  },
};
