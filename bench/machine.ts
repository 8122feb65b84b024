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

/**
 * Says which file system a path is on, if that can be told, and whether it tells
 * the disk of each free block (`discard`): a file that ends may then cost more
 * than all the rest that is done with it.
 */
export async function fileSystemOf(path: string): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("findmnt", {
      args: ["--noheadings", "--output=FSTYPE,OPTIONS", "--target", path],
    }).output();
    const [type = "", options = ""] = new TextDecoder().decode(stdout)
      .trim().split(/\s+/);
    const isDiscarding = options.split(",").includes("discard");
    return isDiscarding ? `${type} with discard` : type;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return "file system unknown";
  }
}
