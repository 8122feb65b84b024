/** A directory of one test's own, gone at the end of its block. */
export class TemporaryDirectory implements Disposable {
  /** Where it is; mode 0700. */
  readonly path: string = Deno.makeTempDirSync({ prefix: "latchkey-" });

  /** Returns the path of a name in it. */
  join(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Returns the names in it, sorted. */
  list(): string[] {
    return [...Deno.readDirSync(this.path)].map(({ name }) => name).sort();
  }

  /** Removes it with all that is in it. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
