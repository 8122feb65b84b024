/*
 * What an operator asks of a directory of sessions when something is wrong. Nothing
 * is locked, and nothing is changed but for a file that is made and removed to see
 * by which clock the file system works. A session that a server changes meanwhile
 * is looked at twice before it counts as a problem of the index.
 */
import { decodeRecord, readLastAccess, readTag } from "../core/codec.ts";
import { SessionDirectoryError } from "../core/errors.ts";
import {
  bad,
  clockFinding,
  durationOf,
  type Finding,
  type Inspection,
  ok,
  skip,
  Tally,
  warn,
} from "../core/finding.ts";
import { SessionCensus } from "../core/session_census.ts";
import { isSessionId } from "../core/token.ts";
import type { Warnings } from "../core/warnings.ts";
import { isNotFile, openRegular } from "../system/files.ts";
import { system } from "../system/system.ts";
import { Pacer } from "../system/waiting.ts";
import type { DirectoryContext } from "./atomic_file.ts";
import {
  entryPath,
  isLockName,
  isQuarantineName,
  markerPath,
  sessionPath,
  temporaryBirth,
  type UserEntry,
} from "./layout.ts";
import { checkForCleanup } from "./prepare_cleanup.ts";
import { clockDifference, OTHERS_MAY_WRITE } from "./prepare_directory.ts";
import { readOnce, readRest } from "./read_file.ts";
import { removeDeadLock } from "./request_lock.ts";
import { isStale, listStaleEntries } from "./user_index.ts";

const HOUR = 60 * 60 * 1000;
const OTHERS = 0o077;

/** What {@linkcode inspectDirectory} takes. */
export interface InspectionOptions {
  /** Ends it, with the signal's reason. */
  readonly signal: AbortSignal;
  /** Is told how many files it has seen. */
  readonly onProgress: (seen: number) => void;
}

/**
 * Inspects a directory of sessions.
 *
 * @param directory The directory.
 * @param warnings Is told of files that may not be opened.
 * @param options Ends it.
 */
export async function* inspectDirectory(
  directory: string,
  warnings: Warnings,
  options: InspectionOptions,
): Inspection {
  const info = system.stat(directory);
  const access = [...judgeAccess("directory", directory, info)];
  yield* access;
  const marker = inspectMarker(directory);
  yield marker;
  yield inspectClock(directory);
  const context: DirectoryContext = {
    directory,
    durability: "process",
    needsMode: true,
    device: info.dev,
    owner: info.uid,
    warnings,
  };
  yield* await takeCensus(context, info, options);
  return [...access, marker].every(({ verdict }) => verdict !== "bad");
}

/**
 * Judges whether others than the owner may use a file, and whether this process is
 * the owner's.
 *
 * @param check What it is.
 * @param path Its name.
 * @param info What `stat` says of it.
 */
export function* judgeAccess(
  check: string,
  path: string,
  { mode, uid, isDirectory }: Deno.FileInfo,
): Generator<Finding> {
  if (mode === null) {
    yield skip(check, "a system with POSIX modes");
    return;
  }
  const octal = (mode & 0o777).toString(8).padStart(4, "0");
  const state = `${path} has mode ${octal}, owner uid ${uid}`;
  const advice = `chmod ${isDirectory ? "0700" : "0600"} ${path}`;
  yield (mode & OTHERS_MAY_WRITE) !== 0
    ? bad(check, `${state}: others may write it`, advice)
    : (mode & OTHERS) !== 0
    ? warn(check, `${state}: others may read it`, advice)
    : ok(check, state);
  const own = system.uid();
  if (own === undefined) yield skip("user", "--allow-sys=uid");
  else if (own === uid) yield ok("user", `this process has uid ${own}, too`);
  else {
    yield bad(
      "user",
      `this process has uid ${own}, the owner ${uid}`,
      `run it as the owner: setpriv --reuid ${uid} --clear-groups deno …`,
    );
  }
}

function inspectMarker(directory: string): Finding {
  try {
    checkForCleanup(directory);
  } catch (error) {
    if (!(error instanceof SessionDirectoryError)) throw error;
    const prefix = `Cannot keep sessions in ${directory}: `;
    return bad(
      "marker",
      error.message.replace(prefix, ""),
      "if this is the right directory, the next start of a server makes a marker that is missing",
    );
  }
  const began = system.lstat(markerPath(directory)).mtime?.getTime();
  const since = began === undefined ? undefined : system.now() - began;
  const last = since === undefined
    ? ""
    : `; the last cleanup, or the first start, was ${
      durationOf(Math.max(0, since))
    } ago`;
  return ok("marker", `of format 1${last}`);
}

function inspectClock(directory: string): Finding {
  let difference: number;
  try {
    difference = clockDifference(directory);
  } catch (error) {
    const { message } = error as Error;
    return bad(
      "writing",
      message,
      "no session can be kept before this is mended",
    );
  }
  return clockFinding(difference, "the file system");
}

/** Looks at every file, and at every entry of the index. */
async function takeCensus(
  context: DirectoryContext,
  { uid }: Deno.FileInfo,
  { signal, onProgress }: InspectionOptions,
): Promise<Finding[]> {
  const { directory } = context;
  const now = system.now();
  const sessions = new SessionCensus(now);
  const [foreign, notFiles, locks] = [new Tally(), new Tally(), new Tally()];
  const [others, shut, exposed] = [new Tally(), new Tally(), new Tally()];
  const [temporaries, setAside] = [new Tally(), new Tally()];
  const missing: UserEntry[] = [];
  let seen = 0;
  const pacer = new Pacer(() => onProgress(seen));
  for await (const { name } of system.readDirectory(directory)) {
    if (pacer.isDue) await pacer.pause();
    signal.throwIfAborted();
    seen++;
    const path = sessionPath(directory, name);
    const birth = temporaryBirth(name);
    if (isQuarantineName(name)) setAside.add(name);
    else if (birth !== undefined && now - birth >= HOUR) temporaries.add(name);
    else if (isLockName(name)) {
      if (removeDeadLock(path, true)) locks.add(name);
    } else if (isSessionId(name)) {
      if (isNotFile(path)) notFiles.add(name);
      else look(name, path);
    }
  }
  const stale = await Array.fromAsync(listStaleEntries(context, { signal }));
  const lost = tallyOf(
    missing.filter(({ tag, id }) =>
      tagOf(id) === tag && !system.exists(entryPath(directory, { tag, id }))
    ),
  );
  const dead = tallyOf(stale.filter((entry) => isStale(context, entry)));
  return [
    ...sessions.findings(),
    ...of(
      foreign,
      bad,
      "files",
      "holds another session",
      "hold another session",
      "remove them: a copy or a backup has renamed them",
    ),
    ...of(
      notFiles,
      warn,
      "files",
      "has a session's name and is not a file",
      "have a session's name and are not files",
      "remove them",
    ),
    ...of(
      others,
      bad,
      "owners",
      "belongs to another user",
      "belong to other users",
      `chown -R ${uid} ${directory}`,
    ),
    ...of(
      shut,
      bad,
      "owners",
      "may not be opened",
      "may not be opened",
      `chown -R ${uid} ${directory}`,
    ),
    ...of(
      exposed,
      warn,
      "modes",
      "may be read by others",
      "may be read by others",
      `chmod 0600 them`,
    ),
    ...of(
      lost,
      warn,
      "index",
      "is missing in the index of users",
      "are missing in the index of users",
      "call `cleanup`, which adds them: until then a list of the user's sessions lacks them",
    ),
    ...of(
      dead,
      warn,
      "index",
      "entry has no session",
      "entries have no session",
      "call `cleanup`, which removes some each time",
    ),
    ...of(
      temporaries,
      warn,
      "orphans",
      "was left by a killed process",
      "were left by killed processes",
      "call `cleanup`, which removes them",
    ),
    ...of(
      locks,
      warn,
      "orphans",
      "is the lock of a killed process",
      "are locks of killed processes",
      "call `cleanup`, which removes them",
    ),
    ...of(
      setAside,
      warn,
      "set aside",
      "was unreadable",
      "were unreadable",
      "look what damaged them; `cleanup` removes each after a week",
    ),
    ...lost.count + dead.count === 0
      ? [ok("index", "agrees with the sessions")]
      : [],
  ];

  function look(id: string, path: string): void {
    const found = read(id, path);
    if (found === "missing") return;
    if (found === "shut") return shut.add(id);
    const { info, bytes } = found;
    if (info.uid !== uid) others.add(id);
    if (((info.mode ?? 0) & OTHERS) !== 0) exposed.add(id);
    const record = decodeRecord(id, bytes);
    if (record === "foreign") foreign.add(id);
    else if (typeof record === "string") sessions[record].add(id);
    else if (sessions.add(id, record, readLastAccess(bytes)!)) {
      const tag = readTag(bytes);
      if (tag === undefined) return;
      if (!system.exists(entryPath(directory, { tag, id }))) {
        missing.push({ tag, id });
      }
    }
  }

  function tagOf(id: string): string | undefined {
    const found = read(id, sessionPath(directory, id));
    return typeof found === "string" ? undefined : readTag(found.bytes);
  }
}

/** Reads a file; the bytes are valid until the next read. */
function read(
  id: string,
  path: string,
): { info: Deno.FileInfo; bytes: Uint8Array } | "missing" | "shut" {
  let opened: ReturnType<typeof openRegular>;
  try {
    opened = openRegular(path, false);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return "shut";
    throw error;
  }
  if (opened === undefined) return "missing";
  const { file, info } = opened;
  try {
    let bytes = readOnce(file);
    if (typeof decodeRecord(id, bytes) === "string") {
      bytes = readRest(file, bytes);
    }
    return { info, bytes };
  } finally {
    system.close(file);
  }
}

function tallyOf(entries: readonly UserEntry[]): Tally {
  const tally = new Tally();
  for (const { id } of entries) tally.add(id);
  return tally;
}

function of(
  tally: Tally,
  judge: typeof warn,
  check: string,
  one: string,
  many: string,
  advice: string,
): Finding[] {
  if (tally.count === 0) return [];
  return [judge(check, tally.describe(one, many), advice)];
}
