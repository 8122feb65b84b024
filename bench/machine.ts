/** What figures were measured on. */
export interface Machine {
  readonly cores: number;
  readonly os: string;
  readonly fileSystem: string;
  readonly deno: string;
}

/**
 * Describes this machine.
 *
 * @param path Whose file system counts.
 */
export async function describeMachine(path: string): Promise<Machine> {
  return {
    cores: navigator.hardwareConcurrency,
    os: Deno.build.os,
    fileSystem: await fileSystemOf(path),
    deno: Deno.version.deno,
  };
}

/** Says which file system a path is on, if that can be told. */
export async function fileSystemOf(path: string): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("df", {
      args: ["--output=fstype", path],
    }).output();
    return new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return "file system unknown";
  }
}
