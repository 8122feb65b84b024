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
 * 15 ms. What the store adds is to be seen on a quiet machine only; of its calls
 * `rename` (17 ms at p99.9), `lstat` and `open` (7 ms) took the longest in that
 * run. Asynchronous changes are worse: they do not keep up (355 a second), and
 * what has gathered, probably, keeps the loop busy.
 *
 *   --seconds 20      how long each of the eight runs lasts
 *   --rate 1000       changes per second
 *   --directory DIR   where the sessions and the large files are; a temporary
 *                     one by default
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path/from-file-url";
import { askServer } from "./ask_server.ts";
import type { Delays } from "./loop_delay.ts";
import type { Kind, Report } from "./saver.ts";

const KINDS: readonly (readonly [kind: Kind, title: string])[] = [
  ["nothing", "no changes"],
  ["store", "store"],
  ["asynchronous", "writeTextFile, rename"],
  ["serve", "server, store"],
];
/**
 * Above it the calls are listed. One that asks nothing of the disk (`now`) tells
 * how much of a stall is the process's waiting for a processor.
 */
const STALL = 5;

interface Options {
  readonly base: string;
  readonly seconds: number;
  readonly rate: number;
}

if (import.meta.main) {
  const { seconds, rate, directory } = parseArgs(Deno.args, {
    string: ["seconds", "rate", "directory"],
    default: { seconds: "20", rate: "1000" },
  });
  const base = await Deno.makeTempDir({
    ...(directory !== undefined && { dir: directory }),
    prefix: "latchkey-delay-",
  });
  try {
    await measure({ base, seconds: Number(seconds), rate: Number(rate) });
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

async function measure(options: Options): Promise<void> {
  const { base, seconds, rate } = options;
  console.log(
    `Delay of the event loop in ms, ${rate} changes/s, ${seconds} s each\n\n` +
      row(["", "other writer", "p50", "p99", "p99.9", "max", "changes/s"]) +
      "\n" + row(["---", "---", ...Array<string>(5).fill("---:")]),
  );
  const stalls: string[] = [];
  const written: number[] = [];
  let runs = 0;
  for (const [kind, title] of KINDS) {
    for (const isBusy of [false, true]) {
      const directory = `${base}/${runs++}`;
      await Deno.mkdir(directory, { mode: 0o700 });
      await using writer = isBusy ? startWriter(options) : undefined;
      const report = await run(kind, directory, options);
      const { delays, took, speed, calls } = report;
      const other = isBusy ? "yes" : "no";
      console.log(row([title, other, ...figures(delays), whole(speed)]));
      if (took !== null) {
        console.log(row(["… a change takes", other, ...figures(took), ""]));
      }
      const isStalled = delays.p999 > STALL && calls.length > 0;
      if (isStalled) stalls.push(tableOf(title, other, calls));
      if (writer !== undefined) written.push(await writer.end());
    }
  }
  const speeds = written.map((each) => whole(each / seconds)).join(", ");
  console.log(`\nThe other writer wrote ${speeds} MiB/s.`);
  for (const each of stalls) console.log(`\n${each}`);
}

/** Lets one process work for its time. */
async function run(
  kind: Kind,
  directory: string,
  { seconds, rate }: Options,
): Promise<Report> {
  const child = start(
    "saver.ts",
    [`--allow-write=${directory}`, "--allow-net=127.0.0.1"],
    [kind, directory, String(seconds), String(rate)],
  );
  let text = "";
  let asking: Promise<void> | undefined;
  if (kind !== "serve") await child.stdin.close();
  for await (
    const part of child.stdout.pipeThrough(new TextDecoderStream())
  ) {
    text += part;
    if (kind !== "serve" || asking !== undefined || !text.includes("\n")) {
      continue;
    }
    const milliseconds = 1_000 * seconds;
    // The server ends with its input, when the last answer is there.
    asking = askServer(Number.parseInt(text), { milliseconds, rate })
      .finally(() => child.stdin.close());
    // It is awaited when the process is over.
    asking.catch(() => {});
  }
  await asking;
  const { success } = await child.status;
  if (!success) throw new Error(`Cannot measure ${kind}: its process failed`);
  return JSON.parse(text.trimEnd().split("\n").at(-1)!) as Report;
}

/** The other process on the disk; it ends with its run, whatever happens. */
function startWriter({ base, seconds }: Options) {
  const child = start("heavy_writer.ts", [`--allow-write=${base}`], [
    base,
    // A little longer than who is measured, who has sessions to make first.
    String(seconds + 2),
  ]);
  return {
    end: async () => {
      const text = await new Response(child.stdout).text();
      return (JSON.parse(text) as { mebibytes: number }).mebibytes;
    },
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await child.status;
    },
  };
}

function start(
  file: string,
  permissions: readonly string[],
  args: readonly string[],
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-read",
      ...permissions,
      fromFileUrl(new URL(file, import.meta.url)),
      ...args,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

function tableOf(
  title: string,
  other: string,
  calls: Report["calls"],
): string {
  const head = [`${title}, other writer: ${other}`, "calls"];
  return [
    row([...head, "p99, ms", "p99.9", "max", "total"]),
    row(["---", ...Array<string>(5).fill("---:")]),
    ...calls.map(({ call, count, p99, p999, max, total }) =>
      row([call, String(count), ...[p99, p999, max, total].map(ms)])
    ),
  ].join("\n");
}

function figures({ p50, p99, p999, max }: Delays): string[] {
  return [p50, p99, p999, max].map(ms);
}

function ms(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

function whole(value: number): string {
  return value.toFixed(0);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
