import {
  bad,
  type Finding,
  type Inspection,
  ok,
  skip,
} from "../core/finding.ts";
import type { StoreWarning } from "../core/store.ts";
import { Warnings } from "../core/warnings.ts";
import {
  inspectDirectory,
  judgeAccess,
} from "../directory/inspect_directory.ts";
import type { EngineSessionStore } from "../engines/engine_store.ts";
import { inspectEngine } from "../engines/inspect_engine.ts";
import { inspectPostgres } from "../engines/inspect_postgres.ts";
import { inspectRedis } from "../engines/inspect_redis.ts";
import { inspectSqlite } from "../engines/inspect_sqlite.ts";
import { system } from "../system/system.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { hidePasswords, reasonOf } from "./console.ts";
import { inspectDisk } from "./inspect_disk.ts";
import {
  checkStoreOptions,
  connectStore,
  type OpenedStore,
  STORE_OPTIONS,
  type StoreOptionValues,
} from "./open_store.ts";
import {
  ADDRESS_HELP,
  isRemote,
  PERMISSIONS_HELP,
  readAddress,
  type StoreAddress,
} from "./store_address.ts";

const CHECK_LENGTH = 12;
const ORDER = ["ok", "skip", "warn", "bad"] as const;

/** Looks for what is wrong with a store: `doctor STORE`. */
export const doctor: ProgramCommand = defineCommand({
  name: "doctor",
  summary: "looks for what is wrong with a store, and says what to do",
  positionals: ["STORE"],
  options: { json: { help: "print one line of JSON" }, ...STORE_OPTIONS },
  about:
    `Looks at all that a store rests on, and at every session. A line for each check
begins with ok, warn, bad, or skip, which says what the check wants; below it stands
what to do. Nothing is mended: what the start of a server would mend is only said.

${ADDRESS_HELP}`,
  exitCodes:
    "0 nothing is bad; 1 failed, or something is bad; 2 wrong usage;\n130 interrupted.",
  permissions: `${PERMISSIONS_HELP}
  more checks:        --allow-sys=statfs,uid; --allow-all for how a disk is mounted`,
  run: async ({ options, flags, positionals, console, ...call }) => {
    const { signal } = call;
    const address = readAddress(positionals[0]!, "STORE");
    checkStoreOptions(options, address);
    const findings: Finding[] = [];
    const tell = (finding: Finding) => {
      findings.push(finding);
      console.endProgress();
      if (!flags.json) console.print(linesOf(finding));
    };
    const onProgress = (seen: number) =>
      console.showProgress(seen, "sessions seen");
    const watch = { signal, onProgress };
    try {
      await using opened = await connectStore(address, options, {
        console,
        onWarning: (warning) => tell(ofWarning(warning)),
      });
      const inspection = inspect(opened, options, watch);
      for (;;) {
        const { done, value } = await inspection.next();
        if (done) break;
        tell(value);
      }
    } catch (error) {
      if (signal.aborted) throw error;
      tell(bad("store", reasonOf(error), adviceFor(error, address)));
    }
    const worst = Math.max(
      ...findings.map(({ verdict }) => ORDER.indexOf(verdict)),
    );
    if (flags.json) {
      console.print(JSON.stringify({ verdict: ORDER[worst], findings }));
    }
    return ORDER[worst] === "bad" ? 1 : 0;
  },
});

/** What ends an inspection, and who is told how far it is. */
interface Watch {
  readonly signal: AbortSignal;
  readonly onProgress: (seen: number) => void;
}

/** Looks at what is below a store, at the store, and at every session. */
async function* inspect(
  opened: OpenedStore,
  options: StoreOptionValues,
  watch: Watch,
): Inspection {
  const { address: { kind, where }, store } = opened;
  const isLocal = ["directory", "sqlite", "kv"].includes(kind) &&
    !isRemote(where);
  if (isLocal) yield* inspectDisk(where);
  if (isLocal && kind !== "directory") {
    yield* judgeAccess("file", where, system.stat(where));
  }
  if (!(yield* inspectMedium(opened, options, watch))) {
    yield skip("setup", "what is said above to be mended");
    return false;
  }
  try {
    await store.setup();
    await store.check({ signal: watch.signal });
    yield ok("setup", "it reads and writes");
  } catch (error) {
    if (watch.signal.aborted) throw error;
    const advice = "a server fails with the same error until that is mended";
    yield bad("setup", reasonOf(error), advice);
    return false;
  }
  if (kind !== "directory") {
    yield* inspectEngine(store as EngineSessionStore, watch);
  }
  return true;
}

/** Looks at what a store is kept in; whether `setup` would change nothing. */
async function* inspectMedium(
  { address: { where }, medium }: OpenedStore,
  options: StoreOptionValues,
  watch: Watch,
): Inspection {
  switch (medium.kind) {
    case "directory": {
      const problems: StoreWarning[] = [];
      const warnings = new Warnings((warning) => problems.push(warning));
      const isSound = yield* inspectDirectory(where, warnings, watch);
      yield* problems.map(ofWarning);
      return isSound;
    }
    case "sqlite": {
      const { table = "latchkey_sessions" } = options;
      return yield* inspectSqlite(where, table);
    }
    case "kv":
      return true;
    case "redis":
      return yield* inspectRedis(medium.client);
    case "postgres":
      return yield* inspectPostgres(medium.client, options);
  }
}

function ofWarning({ type, message }: StoreWarning): Finding {
  return { check: type, verdict: "warn", state: message };
}

function adviceFor(error: unknown, { kind }: StoreAddress): string {
  if (error instanceof Deno.errors.NotCapable) return "give that permission";
  return kind === "redis" || kind === "postgres"
    ? "look whether the server runs, and at the address, the user and the password"
    : "mend that first";
}

function linesOf({ check, verdict, state, advice }: Finding): string {
  const first = `${verdict.padEnd(6)}${check.padEnd(CHECK_LENGTH)}  ${state}`;
  const lines = advice === undefined
    ? first
    : `${first}\n${" ".repeat(CHECK_LENGTH + 8)}→ ${advice}`;
  return hidePasswords(lines);
}
