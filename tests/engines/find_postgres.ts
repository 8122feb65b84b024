const VERSIONS = "/usr/lib/postgresql";

/**
 * Finds the programs of a PostgreSQL server: those of `PATH`, else those of the
 * newest version where Debian puts them, which is not in `PATH`.
 *
 * @returns Their directory; `undefined` when there are none.
 */
export function findPostgres(): string | undefined {
  const path = (Deno.env.get("PATH") ?? "").split(":").filter(Boolean);
  const versions = list(VERSIONS).map(Number).filter(Number.isInteger)
    .toSorted((one, other) => other - one);
  const directories = versions.map((version) => `${VERSIONS}/${version}/bin`);
  return [...path, ...directories].find((directory) =>
    ["initdb", "postgres"].every((name) => isFile(`${directory}/${name}`))
  );
}

function list(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // PATH may name anything: a path that cannot be read does not count
  }
}
