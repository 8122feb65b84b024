import { encodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";

/** A temporary directory of sessions, as other processes have left it. */
export class SessionDirectory implements Disposable {
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync());

  /** Makes one, marked as a directory of sessions. */
  static async make(): Promise<SessionDirectory> {
    const directory = new SessionDirectory();
    await new DirectorySessionStore(directory.path).setup();
    return directory;
  }

  /** What a command needs to work on it, and no more. */
  get permissions(): string[] {
    return [`--allow-read=${this.path}`, `--allow-write=${this.path}`];
  }

  /** Adds a session that was last accessed `age` ms ago. */
  addSession(
    id: string,
    age: number,
    lifetime: Pick<SessionRecord, "expiresAt" | "idleTimeout"> = {},
  ): void {
    const createdAt = Date.now() - age;
    this.addFile(id, encodeRecord(id, { data: {}, createdAt, ...lifetime }));
    this.setAge(id, age);
  }

  /** Adds any file. */
  addFile(name: string, content: string | Uint8Array): void {
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    Deno.writeFileSync(`${this.path}/${name}`, bytes, { mode: 0o600 });
  }

  /** Makes a file look as if it was last accessed `age` ms ago. */
  setAge(name: string, age: number): void {
    const then = new Date(Date.now() - age);
    Deno.utimeSync(`${this.path}/${name}`, then, then);
  }

  /** Lists the names, sorted; the marker, which is always there, left out. */
  list(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name)
      .filter((name) => name !== ".latchkey").sort();
  }

  /** Lists the names with all that a command could change of them. */
  describe(): unknown[] {
    return this.list().map((name) => {
      const { size, mtime, ino, mode } = Deno.lstatSync(`${this.path}/${name}`);
      return { name, size, mtime, ino, mode };
    });
  }

  /** Removes it. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
