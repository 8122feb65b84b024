import { isRevocationId } from "../core/revocation.ts";
import { isQuarantineName } from "../directory/layout.ts";
import { listFiles } from "../system/files.ts";
import { defineCommand, type ProgramCommand } from "./command.ts";
import { withCommas } from "./console.ts";
import { allOf } from "./list.ts";
import { type OpenedStore, openStore, STORE_OPTIONS } from "./open_store.ts";
import { bytesOf, timeOf } from "./session_view.ts";
import { ADDRESS_HELP, PERMISSIONS_HELP } from "./store_address.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The upper bounds of a histogram, and how each is called. */
const TIMES = [
  [MINUTE, "1 minute"],
  [HOUR, "1 hour"],
  [DAY, "1 day"],
  [7 * DAY, "7 days"],
  [30 * DAY, "30 days"],
] as const;
const SIZES = [
  [256, "256 B"],
  [1024, "1 KiB"],
  [4 * 1024, "4 KiB"],
  [16 * 1024, "16 KiB"],
  [64 * 1024, "64 KiB"],
] as const;
type Bounds = readonly (readonly [bound: number, name: string])[];

/** Counts sessions: `stats STORE`. */
export const stats: ProgramCommand = defineCommand({
  name: "stats",
  summary: "counts sessions, users, ages and bytes",
  positionals: ["STORE"],
  options: { json: { help: "print one line of JSON" }, ...STORE_OPTIONS },
  about:
    `Counts the live sessions and their users, by age, last access and bytes; and
what a cleanup would delete: expired sessions, and what killed processes left.
Beside that it counts the files of a directory that were set aside as unreadable.
It reads all sessions; memory grows with the number of users alone.

${ADDRESS_HELP}`,
  permissions: PERMISSIONS_HELP,
  run: async ({ options, flags, positionals, console, ...call }) => {
    const { signal } = call;
    await using opened = await openStore(positionals[0]!, options, console);
    const { store } = opened;
    const now = Date.now();
    const users = new Set<string>();
    const [ages, lastAccesses] = [new Histogram(TIMES), new Histogram(TIMES)];
    const sizes = new Histogram(SIZES);
    let [signedIn, revocations, bytes] = [0, 0, 0];
    const extremes: { newest?: Extreme; oldest?: Extreme } = {};
    for await (const [id, record, lastAccess] of allOf(store, { signal })) {
      if (isRevocationId(id)) {
        revocations++;
        continue;
      }
      const { createdAt, user } = record;
      if (user !== undefined) {
        signedIn++;
        users.add(user);
      }
      const size = bytesOf(record);
      bytes += size;
      ages.add(now - createdAt);
      lastAccesses.add(now - lastAccess);
      sizes.add(size);
      const { newest, oldest } = extremes;
      if (createdAt >= (newest?.createdAt ?? 0)) {
        extremes.newest = { id, createdAt };
      }
      if (createdAt < (oldest?.createdAt ?? Infinity)) {
        extremes.oldest = { id, createdAt };
      }
      console.showProgress(ages.total, "sessions counted");
    }
    const old = await store.deleteOldSessions(Infinity, {
      dryRun: true,
      signal,
    });
    const result = {
      sessions: ages.total,
      signedIn,
      users: users.size,
      bytes,
      expired: old.deleted,
      orphans: old.orphans,
      setAside: await countSetAside(opened, signal),
      revocations,
      newest: extremes.newest ?? null,
      oldest: extremes.oldest ?? null,
      ages: ages.counts,
      lastAccesses: lastAccesses.counts,
      sizes: sizes.counts,
    };
    console.endProgress();
    const textOf = (extreme: Extreme | null) =>
      extreme === null ? "-" : `${timeOf(extreme.createdAt)}  ${extreme.id}`;
    console.printResult(
      flags.json,
      result,
      [
        `sessions     ${withCommas(result.sessions)}, ${
          withCommas(bytes)
        } bytes`,
        `signed in    ${withCommas(signedIn)}, of ${
          withCommas(result.users)
        } users`,
        `expired      ${withCommas(result.expired)}`,
        `orphans      ${withCommas(result.orphans)}`,
        `set aside    ${withCommas(result.setAside)}`,
        `revocations  ${withCommas(revocations)}`,
        `newest       ${textOf(result.newest)}`,
        `oldest       ${textOf(result.oldest)}`,
        ages.draw("age"),
        lastAccesses.draw("not accessed for"),
        sizes.draw("bytes"),
      ].join("\n"),
    );
    return 0;
  },
});

/** The newest session, or the oldest. */
interface Extreme {
  readonly id: string;
  readonly createdAt: number;
}

/** Counts the files that were set aside as unreadable. */
async function countSetAside(
  { address }: OpenedStore,
  signal: AbortSignal,
): Promise<number> {
  if (address.kind !== "directory") return 0;
  let count = 0;
  for await (const name of listFiles(address.where, { signal })) {
    if (isQuarantineName(name)) count++;
  }
  return count;
}

const BAR_LENGTH = 40;
const NAME_LENGTH = 12;
const COUNT_LENGTH = 11;

/** Counts values between bounds. */
class Histogram {
  readonly #bounds: Bounds;
  readonly #counts: number[];
  total = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#counts = Array(bounds.length + 1).fill(0);
  }

  add(value: number): void {
    const found = this.#bounds.findIndex(([bound]) => value <= bound);
    this.#counts[found < 0 ? this.#bounds.length : found]!++;
    this.total++;
  }

  /** The bounds, each with how many there are up to it; `null` for the rest. */
  get counts(): { upTo: number | null; count: number }[] {
    return this.#counts.map((count, n) => ({
      upTo: this.#bounds[n]?.[0] ?? null,
      count,
    }));
  }

  /** Draws it as lines of text. */
  draw(title: string): string {
    const most = Math.max(1, ...this.#counts);
    const lines = this.#counts.map((count, n) => {
      const name = this.#bounds[n]?.[1] ?? "more";
      const bar = "#".repeat(Math.ceil(count / most * BAR_LENGTH));
      const counted = withCommas(count).padStart(COUNT_LENGTH);
      return `  ${name.padEnd(NAME_LENGTH)}${counted}  ${bar}`.trimEnd();
    });
    return [`${title}, up to`, ...lines].join("\n");
  }
}
