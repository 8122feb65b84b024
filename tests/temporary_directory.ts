import { ensureDirSync } from "@std/fs/ensure-dir";
import { dirname } from "@std/path/dirname";
import { dropRecycled, recycledFiles } from "../src/directory/atomic_file.ts";

/** A directory of one test, removed at the end of its block. */
export class TemporaryDirectory implements Disposable {
  /** Where it is; mode 0700. */
  readonly path: string = Deno.makeTempDirSync({ prefix: "latchkey-" });

  /** Returns the path of a name in it. */
  join(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Writes files into it, by their paths in it. */
  writeFiles(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      ensureDirSync(dirname(this.join(path)));
      Deno.writeTextFileSync(this.join(path), text);
    }
  }

  /** Returns the names in it, sorted, without the recycled file that this process keeps. */
  list(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name)
      .filter((name) => this.join(name) !== recycledFiles.get(this.path)?.path)
      .sort();
  }

  /** Returns the names of all files in it, however deep. */
  listFiles(below = ""): string[] {
    const entries = [...Deno.readDirSync(this.join(below))];
    return entries.flatMap(({ name, isDirectory }) =>
      isDirectory ? this.listFiles(`${below}${name}/`) : [`${below}${name}`]
    ).sort();
  }

  /** Returns the path of the recycled file in it, of which there must be one. */
  get recycled(): string {
    const recycled = recycledFiles.get(this.path);
    if (recycled === undefined) throw new Error("There is no recycled file");
    return recycled.path;
  }

  /** Removes it with its content. */
  [Symbol.dispose](): void {
    for (const directory of recycledFiles.keys()) {
      if (directory.startsWith(this.path)) dropRecycled(directory);
    }
    Deno.removeSync(this.path, { recursive: true });
  }
}
