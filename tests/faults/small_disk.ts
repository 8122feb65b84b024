import { runSync } from "../spawn.ts";
import { TemporaryDirectory } from "../temporary_directory.ts";

/** A file system of one test (tmpfs), removed at the end of its block. */
export class SmallDisk implements Disposable {
  readonly #place = new TemporaryDirectory();
  /** Its root; mode 0700. */
  readonly path: string = this.#place.path;

  /**
   * Mounts it, which only root can.
   *
   * @param limits As mount(8) takes them: `size=64k`.
   */
  constructor(limits: string) {
    const options = `${limits},mode=0700`;
    try {
      run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", this.path]);
    } catch (error) {
      this.#place[Symbol.dispose]();
      throw error;
    }
  }

  /** Makes it read-only, or writable again. */
  remount(how: "ro" | "rw"): void {
    run("mount", ["-o", `remount,${how}`, this.path]);
  }

  /**
   * Mounts another one over a directory in it, until the end of the block.
   *
   * @param name The directory; mode 0700.
   */
  mountOver(name: string): Disposable {
    const path = `${this.path}/${name}`;
    run("mount", ["-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", path]);
    return { [Symbol.dispose]: () => run("umount", ["-l", path]) };
  }

  /** Unmounts it. */
  [Symbol.dispose](): void {
    run("umount", ["-l", this.path]); // lazily: a failed test may have files open
    this.#place[Symbol.dispose]();
  }

  /** Why this machine cannot mount one; `undefined` when it can. */
  static findObstacle(): string | undefined {
    try {
      new SmallDisk("size=64k")[Symbol.dispose]();
      return undefined;
    } catch (error) {
      const [first = ""] = (error as Error).message.split("\n");
      return first.replace(/\S*\/\S*: /, "");
    }
  }
}

function run(command: string, args: readonly string[]): void {
  const { code, stderr } = runSync(command, args);
  if (code !== 0) throw new Error(stderr.trim());
}
