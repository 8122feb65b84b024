/** Packages of npm, each with its exact version. */
export type Packages = Readonly<Record<string, string>>;

/**
 * Loads a package: under Deno with an `npm:` specifier, under Node from the
 * installation that `installForNode` makes. The specifier is put together
 * here, so that checking this repository downloads none of them.
 *
 * @typeParam T The part of the package that is used.
 * @param packages The packages with their versions, `name` among them.
 * @param path A module in the package, with its slash.
 */
export async function importPackage<T>(
  packages: Packages,
  name: string,
  path = "",
): Promise<T> {
  const specifier = "Deno" in globalThis
    ? `npm:${name}@${packages[name]}${path}`
    : name + path;
  return await import(specifier) as T;
}
