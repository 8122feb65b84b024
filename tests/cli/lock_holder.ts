/**
 * Another process, which holds the exclusive lock of a file until it is
 * disposed. Run as a program, this module is that process.
 */
export class LockHolder implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** Starts it; the lock is held when the promise resolves. */
  static async start(path: string): Promise<LockHolder> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-prompt",
        `--allow-read=${path}`,
        `--allow-write=${path}`,
        new URL(import.meta.url).pathname,
        path,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    await reader.cancel();
    if (done) throw new Error(`Cannot hold the lock of ${path}`);
    return new LockHolder(child);
  }

  /** Lets go of the lock; the process is gone when the promise resolves. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}

if (import.meta.main) {
  using file = Deno.openSync(Deno.args[0]!, { read: true, write: true });
  if (!file.tryLockSync(true)) Deno.exit(1);
  console.log("held");
  await Array.fromAsync(Deno.stdin.readable); // until the other end is closed
}
