/*
 * How long does an event wait in a process that changes 1,000 sessions a second
 * while another process writes heavily to the same disk? And would it wait less
 * if the changes were asynchronous?
 *
 * 2026-11-20, Deno 2.9.6, ext4, 2 cores that others used, 8 s each, in ms:
 *
 *                           alone               beside a heavy writer
 *                           p50  p99.9   max     p50  p99.9   max
 *   no changes              0.0    5.9   8.2     0.0     53    61
 *   store                   0.5    6.8   7.0     0.8     63    68
 *   writeTextFile, rename   0.9     86    92     465  4,774 4,783
 *
 * Most of the wait beside the writer is there without any change, so it is for
 * a processor; in a shorter run a call that only reads the clock took up to
 * 15 ms. What the store adds is to be seen on a quiet machine only. Asynchronous changes are worse: they do not keep up (355 a second), and
 * what has gathered, probably, keeps the loop busy.
 *
 *   --seconds 20      how long each of the eight runs lasts
 *   --rate 1000       changes per second
 *   --directory DIR   where the sessions and the large files are; a temporary
 *                     one by default
 */
import { makeDataSet } from "../data_set.ts";
import { Child, denoCommand } from "../harness/child.ts";
import { table } from "../harness/markdown.ts";
import { makeBase, makePrivate, readOptions } from "../harness/benchmark.ts";
import type { Delays } from "../harness/statistics.ts";
import { atRate } from "./at_rate.ts";
import { type Kind, type Report, SECRET } from "./saver.ts";

const KINDS: readonly (readonly [kind: Kind, title: string])[] = [
  ["nothing", "no changes"],
  ["store", "store"],
  ["asynchronous", "writeTextFile, rename"],
  ["serve", "server, store"],
];
interface Options {
  readonly seconds: number;
  readonly rate: number;
}

if (import.meta.main) {
  const { directory, ...options } = readOptions({
    seconds: 20,
    rate: 1_000,
    directory: "",
  });
  await using base = await makeBase("delay", directory);
  await measure(base.path, options);
}

async function measure(base: string, options: Options): Promise<void> {
  const { seconds, rate } = options;
  const rows: string[][] = [];
  const written: string[] = [];
  for (const [kind, title] of KINDS) {
    for (const isBusy of [false, true]) {
      const directory = await makePrivate(`${base}/${kind}-${isBusy}`);
      // It ends with its run, whatever happens; a little longer than what is
      // measured, which has sessions to make first.
      await using writer = isBusy
        ? start("heavy_writer.ts", [base, String(seconds + 2)], base)
        : undefined;
      const report = await run(kind, directory, options);
      const { delays, took, speed } = report;
      const other = isBusy ? "yes" : "no";
      rows.push([title, other, ...figures(delays), speed.toFixed(0)]);
      console.error(`measured ${title}, other writer: ${other}`);
      if (took !== null) {
        rows.push(["… a change takes", other, ...figures(took), ""]);
      }
      const { mebibytes } = await writer?.next<{ mebibytes: number }>() ?? {};
      if (mebibytes !== undefined) {
        written.push((mebibytes / seconds).toFixed());
      }
    }
  }
  const head = ["", "other writer", "p50", "p99", "p99.9", "max", "changes/s"];
  console.log(
    [
      `Delay of the event loop in ms, ${rate} changes/s, ${seconds} s each`,
      table(head, rows),
      `The other writer wrote ${written.join(", ")} MiB/s.`,
    ].join("\n\n"),
  );
}

/** Lets one process work for its time. */
async function run(
  kind: Kind,
  directory: string,
  { seconds, rate }: Options,
): Promise<Report> {
  const args = [kind, directory, String(seconds), String(rate)];
  await using child = start("saver.ts", args, directory);
  if (kind === "serve") {
    const port = await child.next<number>();
    const next = makeDataSet(500).walk();
    await atRate(
      rate,
      seconds,
      () => ask(port, `latchkey=${next()}${SECRET}`),
    );
    // The server ends with its input.
    await child.close();
  }
  return await child.next();
}

function start(file: string, args: readonly string[], writes: string): Child {
  return new Child(denoCommand(new URL(file, import.meta.url), args, [
    "--allow-read",
    `--allow-write=${writes}`,
    "--allow-net=127.0.0.1",
  ]));
}

/** @throws {Error} If the answer is not that of a changed session. */
async function ask(port: number, cookie: string): Promise<void> {
  const headers = { cookie };
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers });
  await response.body?.cancel();
  // A new session would have got a cookie: then nothing was measured.
  if (!response.ok || response.headers.has("set-cookie")) {
    throw new Error(`Cannot measure: the server answered ${response.status}`);
  }
}

function figures({ p50, p99, p999, max }: Delays): string[] {
  return [p50, p99, p999, max]
    .map((it) => it.toFixed(it < 10 ? 2 : 1));
}
