/**
 * Task `bench:once`: runs every benchmark of `bench/` exactly once, to see that
 * it still works. `deno bench` cannot: it takes `n: 1` as a suggestion, and
 * calls even the slowest function several times.
 *
 * The files need nothing for this: `Deno.bench` is replaced before they are
 * imported, so what they register is collected here. What is not in a
 * benchmark's own function (setting up, cleaning up on "unload") runs as usual.
 *
 * @module
 */

type Run = (context: Deno.BenchContext) => void | Promise<void>;
type Options = Partial<Omit<Deno.BenchDefinition, "fn">>;

/** What one call of `Deno.bench` asks for. */
interface Registered extends Options {
  readonly file: string;
  readonly run: Run;
}

/** Brings the overloads of `Deno.bench` to one form. */
function toRegistered(file: string, args: readonly unknown[]): Registered {
  let options: Options = {};
  let run: Run | undefined;
  for (const arg of args) {
    if (typeof arg === "string") options = { ...options, name: arg };
    else if (typeof arg === "function") run = arg as Run;
    else if (typeof arg === "object" && arg !== null) {
      const { fn, ...rest } = arg as Options & { fn?: Run };
      options = { ...options, ...rest };
      run ??= fn;
    }
  }
  if (run === undefined) throw new TypeError("Cannot run a bench: no function");
  return { ...options, name: options.name ?? run.name, file, run };
}

async function collect(directory: URL): Promise<Registered[]> {
  const files = [...Deno.readDirSync(directory)]
    .map(({ name }) => name)
    .filter((name) => name.endsWith("_bench.ts")).sort();
  const found: Registered[] = [];
  for (const file of files) {
    const register = (...args: unknown[]): void => {
      found.push(toRegistered(file, args));
    };
    Deno.bench = Object.assign(register, {
      ignore: (...args: unknown[]): void => {
        found.push({ ...toRegistered(file, args), ignore: true });
      },
      only: register,
    }) as typeof Deno.bench;
    await import(new URL(file, directory).href);
  }
  return found;
}

async function runOnce({ run }: Registered): Promise<void> {
  const name = "once";
  await run({ name, origin: "", start() {}, end() {} } as Deno.BenchContext);
}

if (import.meta.main) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const each of await collect(new URL("../bench/", import.meta.url))) {
    const title = [each.file, each.group, each.name].filter(Boolean).join(": ");
    if (each.ignore) {
      counts.skipped++;
      console.log(`- ${title}`);
      continue;
    }
    try {
      await runOnce(each);
      counts.passed++;
      console.log(`✓ ${title}`);
    } catch (error) {
      counts.failed++;
      console.log(`✗ ${title}`);
      console.error(error);
    }
  }
  const { passed, failed, skipped } = counts;
  console.log(
    `${passed} passed, ${failed} failed` +
      (skipped > 0 ? `, ${skipped} skipped` : ""),
  );
  if (failed > 0 || passed === 0) Deno.exit(1);
}
