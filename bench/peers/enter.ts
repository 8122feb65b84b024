import { fromFileUrl } from "@std/path/from-file-url";
import type { Entry } from "./competitor.ts";
import type { Adapter, Profile, Runtime } from "./contestant.ts";
import { FOREIGN } from "./foreign.ts";
import { installForNode } from "./node_installation.ts";

const MODULES = [
  "floors",
  "race_floor",
  "latchkey",
  "sqlite",
  "lmdb",
  "session_file_store",
  "react_router",
  "remix_session",
  "unstorage",
  "write_file_atomic",
];

/** What it takes to enter. */
export interface EnterOptions {
  /** An empty directory. */
  readonly base: string;
  /** The file with the workload. */
  readonly workload: string;
  /** Of the peers, only those whose name contains this. */
  readonly only: string;
  /** Is told who cannot take part. */
  readonly skip: (name: string, error: unknown) => void;
}

/** Who takes part, and under what. */
export interface Field {
  readonly entries: readonly Entry[];
  /** Each with its version. */
  readonly runtimes: readonly string[];
}

/** Finds out who can take part: under Deno all, elsewhere when it is there. */
export async function enter(options: EnterOptions): Promise<Field> {
  const { only } = options;
  const isWanted = ({ kind, name }: Profile) =>
    kind !== "peer" && kind !== "database" || name.includes(only);
  const adapters = new Map<string, Adapter>();
  for (const name of MODULES) {
    const { adapter } = await import(`./adapters/${name}.ts`) as {
      adapter: Adapter;
    };
    if (isWanted(adapter)) adapters.set(name, adapter);
  }
  const fields: Field[] = [
    enterDeno(adapters, options),
    await enterNode(adapters, options),
  ];
  for (const foreign of FOREIGN.filter(isWanted)) {
    const { find, args, ...profile } = foreign;
    const [runtime] = profile.runtimes;
    try {
      const { program, version } = await find();
      const command = [program, ...args, options.workload] as const;
      fields.push({
        entries: [enterOne(profile, runtime!, command)],
        runtimes: [`${runtime} ${version}`],
      });
    } catch (error) {
      options.skip(profile.name, error);
    }
  }
  return {
    entries: fields.flatMap(({ entries }) => entries),
    runtimes: [...new Set(fields.flatMap(({ runtimes }) => runtimes))],
  };
}

function enterDeno(
  adapters: ReadonlyMap<string, Adapter>,
  { workload }: EnterOptions,
): Field {
  const runner = fromFileUrl(new URL("runner.ts", import.meta.url));
  const entries = [...adapters].map(([name, adapter]) =>
    enterOne(adapter, "Deno", [
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-prompt",
      // Node and PHP look at no permissions; with any list of them Deno looks
      // up each part of a path at each call, which is dearer than some calls.
      "--allow-all",
      runner,
      name,
      workload,
    ])
  );
  return { entries, runtimes: [`Deno ${Deno.version.deno}`] };
}

async function enterNode(
  adapters: ReadonlyMap<string, Adapter>,
  { base, workload, skip }: EnterOptions,
): Promise<Field> {
  const able = new Map(
    [...adapters].filter(([, { runtimes }]) => runtimes.includes("Node")),
  );
  if (able.size === 0) return { entries: [], runtimes: [] };
  const directory = `${base}/node`;
  try {
    await Deno.mkdir(directory);
    const version = await installForNode(directory, able);
    const entries = [...able].map(([name, adapter]) =>
      enterOne(adapter, "Node", [
        "node",
        `${directory}/runner.mjs`,
        name,
        workload,
      ])
    );
    return { entries, runtimes: [`Node ${version}`] };
  } catch (error) {
    skip("everything on Node", error);
    return { entries: [], runtimes: [] };
  }
}

function enterOne(
  profile: Profile,
  runtime: Runtime,
  command: Entry["command"],
): Entry {
  const { name, kind, note, packages } = profile;
  return {
    profile,
    runtime,
    label: `${name}, ${runtime}`,
    command,
    result: { name, runtime, kind, note, packages, cells: {} },
  };
}
