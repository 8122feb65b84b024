const DRIVERS = {
  redis: ["npm", "redis@^5.10.0"],
  postgres: ["npm", "pg@^8.16.0"],
} as const;

const NPM_DRIVERS = [nameOf("redis"), nameOf("postgres")].join(", ");

/** Part of the help of a command that loads drivers from npm. */
export const DRIVERS_HELP: string = `Drivers come from npm: ${NPM_DRIVERS}.
The first run downloads the one that it needs, and Deno adds it to the lock file
that it finds: run this outside a project, or with --no-lock.`;

/**
 * Loads the driver of an engine. Its specifier is put together at run time: a
 * literal one would be downloaded and locked by every program that imports this
 * package.
 *
 * @typeParam Driver The part of the module that is used.
 * @param name The driver.
 * @throws {Error} If it cannot be loaded; the message names the command that
 * fetches it.
 */
export async function loadDriver<Driver>(
  name: keyof typeof DRIVERS,
): Promise<Driver> {
  const specifier = nameOf(name);
  try {
    return await import(specifier);
  } catch (cause) {
    const [reason] = String(cause instanceof Error ? cause.message : cause)
      .split("\n", 1);
    throw new Error(
      `Cannot load ${specifier}: ${reason} (to fetch it: deno cache --no-lock ${specifier}; then run with --no-lock)`,
      { cause },
    );
  }
}

function nameOf(name: keyof typeof DRIVERS): string {
  return DRIVERS[name].join(":");
}
