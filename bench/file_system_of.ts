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
