import { encodeRecord } from "../../src/core/codec.ts";
import type { SessionRecord } from "../../src/core/record.ts";
import { DirectorySessionStore } from "../../src/directory/directory_store.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

/** A temporary directory of sessions, as other processes have left it. */
export class SessionDirectory extends TemporaryDirectory {
  /** Makes one, marked as a directory of sessions. */
  static async make(): Promise<SessionDirectory> {
    const directory = new SessionDirectory();
    await new DirectorySessionStore(directory.path).setup();
    return directory;
  }

  /** The permissions that a command needs to work on it. */
  get flags(): string[] {
    return [`--allow-read=${this.path}`, `--allow-write=${this.path}`];
  }

  /** Adds a session that was last accessed `age` ms ago. */
  addSession(
    id: string,
    age: number,
    lifetime: Pick<SessionRecord, "expiresAt" | "idleTimeout"> = {},
  ): void {
    const createdAt = Date.now() - age;
    const record = { data: {}, createdAt, ...lifetime };
    this.addFile(id, encodeRecord(id, record, createdAt));
  }

  /** Adds any file, mode 0600. */
  addFile(name: string, content: string | Uint8Array): void {
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    Deno.writeFileSync(this.join(name), bytes, { mode: 0o600 });
  }

  /** Makes a file look as if it was last changed `age` ms ago. */
  setAge(name: string, age: number): void {
    const at = new Date(Date.now() - age);
    Deno.utimeSync(this.join(name), at, at);
  }

  /** Lists the names, sorted, without the marker, which is always there. */
  override list(): string[] {
    return super.list().filter((name) => name !== ".latchkey");
  }

  /** Lists the names with all that a command could change of them. */
  describe(): unknown[] {
    return this.list().map((name) => {
      const { size, mtime, ino, mode } = Deno.lstatSync(this.join(name));
      return { name, size, mtime, ino, mode };
    });
  }
}
